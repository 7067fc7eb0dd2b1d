#pragma once

#include <optional>
#include <string>

#include "graph/export.h"
#include "graph/spec.h"

namespace pnflow {

// Why a field can never be what its reader takes: "as uint8" against "float32 or float64".
struct FieldMisfit {
  std::string wanted;
  std::string given;
};

// Nothing when some dtype and some number of axes suit both.
std::optional<FieldMisfit> field_misfit(const FieldSpec& read, const FieldSpec& given);

// "float32 or float64"; "any dtype" of an empty list.
PNFLOW_API std::string dtypes_text(const FieldSpec& field);
// "2 axes", "3 to 4 axes", "any number of axes".
PNFLOW_API std::string rank_text(const FieldSpec& field);

}  // namespace pnflow
