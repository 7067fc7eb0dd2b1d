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
  // The block is a whole dataset that begins at 0 along all other axes: it may be narrower than the
  // virtual dataset. Other mappings are HDF5's alone to read.
  bool whole = false;
};

// The sources of a virtual dataset, sorted by their first entry; none when it is no virtual one. No
// other file is opened. Throws DataError("damaged metadata"), and DataError("unsupported layout")
// for a mapping without an end.
std::vector<VirtualSource> virtual_sources(hid_t dataset, const std::string& path);

}  // namespace pnflow
