#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "graph/dtype.h"

namespace pnflow {

// One filter of an HDF5 dataset's pipeline, as its creation properties list it.
struct Filter {
  int id = 0;                    // HDF5's registered number
  std::string name;              // as the writer called it; may be empty
  std::vector<unsigned> values;  // client values (cd_values)
};

namespace filter_id {
inline constexpr int deflate = 1;
inline constexpr int shuffle = 2;
inline constexpr int fletcher32 = 3;
inline constexpr int bitshuffle = 32008;
inline constexpr int zfp = 32013;
}  // namespace filter_id

// Whether decode_chunk undoes that filter.
bool can_decode(const Filter& filter);

// For people: "gzip (6)", "shuffle", "bitshuffle (LZ4)", "filter 307 (bzip2)".
std::string describe(const Filter& filter);

// Undoes a pipeline without HDF5 (and so without its lock). `pipeline` in the order in which the
// writer applied it; bit i of `filter_mask` says that filter i was left out for this chunk. `out`
// has exactly the chunk's size, and is undefined after an error. Thread-safe; keeps up to two
// chunks of working memory per thread when the pipeline has several filters.
// Throws DataError("damaged chunk"), DataError("unknown filter N").
void decode_chunk(std::span<const Filter> pipeline, unsigned filter_mask, DType dtype,
                  std::span<const std::byte> stored, std::span<std::byte> out);

}  // namespace pnflow
