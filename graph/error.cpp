#include "graph/error.h"

namespace pnflow {

DataError::DataError(std::string reason, const std::string& detail)
    : std::runtime_error(detail.empty() ? reason : reason + ": " + detail),
      reason_(std::move(reason)) {}

// Out of line, so that the type is one and the same in every shared library that throws it.
DataError::~DataError() = default;
RunError::~RunError() = default;

}  // namespace pnflow
