#include "graph/error.h"

#include <algorithm>

namespace pnflow {

DataError::DataError(std::string reason, const std::string& detail)
    : std::runtime_error(detail.empty() ? reason : reason + ": " + detail),
      reason_(std::move(reason)) {}

std::string_view DataError::detail() const noexcept {
  constexpr std::size_t separator = 2;
  const std::string_view text = what();
  return text.substr(std::min(text.size(), reason_.size() + separator));
}

// Out of line, so that the type is one and the same in every shared library that throws it.
DataError::~DataError() = default;
RunError::~RunError() = default;

}  // namespace pnflow
