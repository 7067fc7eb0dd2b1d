#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "io/h5.h"

namespace pnflow {

// A small value that a file keeps beside a dataset or a group.
struct Hdf5Attribute {
  std::string name;
  std::variant<std::int64_t, double, std::string> value;
};

// The attributes of an open object that are one number (an enumeration's too) or one text, sorted
// by name; others are passed over. `path` is the object's, for the texts. Texts are of any length,
// and not checked to be UTF-8.
// Throws DataError("damaged metadata") when one cannot be read.
std::vector<Hdf5Attribute> read_attributes(hid_t object, const std::string& path);

}  // namespace pnflow
