#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/h5.h"

namespace pnflow {

// A block of a virtual dataset, along its first axis, and what stands there.
struct VirtualSource {
  std::string file, dataset;   // as the mapping names them
  std::uint64_t first = 0;     // entry of the virtual dataset
  std::vector<hsize_t> shape;  // of the block; a file does not keep that of the source
};

// The sources of a virtual dataset in the order of its mapping; none when it is no virtual one. No
// other file is opened. Throws DataError("damaged metadata").
std::vector<VirtualSource> virtual_sources(hid_t dataset, const std::string& path);

}  // namespace pnflow
