#include "gpu/device_description.h"

#include <fmt/format.h>

namespace pnflow {

std::string cuda_version(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace pnflow
