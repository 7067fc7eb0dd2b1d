#include <fmt/format.h>

#include <algorithm>

#include "graph/error.h"
#include "io/byte_planes.h"
#include "io/codecs.h"
#include "io/large_copy.h"

namespace pnflow::codecs {

void unshuffle(ConstBytes stored, std::size_t element_bytes, Bytes out) {
  if (stored.size() != out.size()) {
    throw DataError("damaged chunk", fmt::format("{} shuffled bytes where {} were expected",
                                                 stored.size(), out.size()));
  }
  // A width that the writer did not mean may be any number; one beyond the data moves nothing.
  const std::size_t width = std::clamp<std::size_t>(element_bytes, 1, stored.size() + 1);
  const std::size_t elements = stored.size() / width;
  planes_to_elements(stored.data(), elements, width, out.data(), out.size() >= large_bytes);
  std::ranges::copy(stored.subspan(elements * width), out.begin() + elements * width);
}

void shuffle(ConstBytes raw, std::size_t element_bytes, Bytes out) {
  const std::size_t width = std::clamp<std::size_t>(element_bytes, 1, raw.size() + 1);
  const std::size_t elements = raw.size() / width;
  elements_to_planes(raw.data(), elements, width, out.data());
  std::ranges::copy(raw.subspan(elements * width), out.begin() + elements * width);
}

}  // namespace pnflow::codecs
