#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"
#include "io/filters.h"
#include "io/h5.h"
#include "io/hdf5_virtual.h"

namespace pnflow {

// What a dataset says of itself.
struct DatasetInfo {
  std::string path;
  DType dtype = DType::u8;
  Shape shape;
  Shape chunk;                  // extents of a chunk; empty when the data are not chunked
  std::vector<Filter> filters;  // in the order in which the writer applied them
  // Of a virtual dataset, its sources; chunk and filters are those of the first that is there.
  std::size_t sources = 0;
};

// Where a chunk lies in the file.
struct StoredChunk {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  unsigned filter_mask = 0;
  bool written = false;  // a chunk never written reads as the fill value
};

// Everything that reading pixels needs, so that HDF5 is not asked again.
struct Hdf5Layout {
  enum class Kind {
    chunked,     // `chunks`, the grid in C order
    contiguous,  // `chunks[0]`
    by_hdf5,     // stored inside the header, or behind a filter that only HDF5's plugins know
    in_sources   // `sources`; what none of them has is the fill value
  };
  DatasetInfo info;
  Kind kind = Kind::chunked;
  Shape grid;  // chunks along each axis
  std::vector<StoredChunk> chunks;
  std::vector<VirtualSource> sources;
  std::array<std::byte, 8> fill{};  // one element
};

// HDF5's identifier of an element type; not to be closed.
hid_t h5_type_of(DType dtype);

// Asks HDF5 for all of it, holding its lock for each question only. `image` is the whole file:
// chunks that do not lie inside it are marked by DataError when they are read, not here. Allocates
// in proportion to the chunks that are there, whatever the dataset claims to be. No other file is
// opened; with `virtual_too` false a virtual dataset is one of an "unsupported layout".
// Throws DataError: "wrong dtype", "wrong shape", "implausible size", "unknown filter N",
// "unsupported layout", "damaged metadata".
Hdf5Layout read_layout(hid_t dataset, const std::string& path, std::span<const std::byte> image,
                       bool virtual_too = false);

}  // namespace pnflow
