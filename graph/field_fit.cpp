#include "graph/field_fit.h"

#include <fmt/format.h>

#include <algorithm>

namespace pnflow {

namespace {

bool dtypes_fit(const FieldSpec& a, const FieldSpec& b) {
  return a.dtypes.empty() || b.dtypes.empty() || std::ranges::any_of(a.dtypes, [&](DType dtype) {
           return std::ranges::find(b.dtypes, dtype) != b.dtypes.end();
         });
}

bool ranks_fit(const FieldSpec& a, const FieldSpec& b) {
  const auto below = [](int min, int max) { return max == 0 || min <= max; };
  return below(a.min_rank, b.max_rank) && below(b.min_rank, a.max_rank);
}

}  // namespace

std::optional<FieldMisfit> field_misfit(const FieldSpec& read, const FieldSpec& given) {
  if (!dtypes_fit(read, given)) return FieldMisfit{"as " + dtypes_text(read), dtypes_text(given)};
  if (!ranks_fit(read, given)) return FieldMisfit{"with " + rank_text(read), rank_text(given)};
  return {};
}

std::string dtypes_text(const FieldSpec& field) {
  if (field.dtypes.empty()) return "any dtype";
  std::string text;
  for (std::size_t i = 0; i < field.dtypes.size(); ++i) {
    if (i != 0) text += i + 1 == field.dtypes.size() ? " or " : ", ";
    text += name_of(field.dtypes[i]);
  }
  return text;
}

std::string rank_text(const FieldSpec& field) {
  if (field.max_rank == 0) {
    return field.min_rank == 0 ? "any number of axes"
                               : fmt::format("{} or more axes", field.min_rank);
  }
  if (field.min_rank == field.max_rank) {
    return fmt::format("{} {}", field.max_rank, field.max_rank == 1 ? "axis" : "axes");
  }
  return fmt::format("{} to {} axes", field.min_rank, field.max_rank);
}

}  // namespace pnflow
