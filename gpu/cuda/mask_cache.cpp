#include "gpu/cuda/mask_cache.h"

#include <algorithm>

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

const std::uint8_t* MaskCache::find(const std::uint8_t* host, const MapGeometry& geometry,
                                    const std::shared_ptr<const std::byte>& storage,
                                    std::byte* staging, cudaStream_t stream) {
  // A mask that nobody keeps may be another one by now, at the same place.
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return storage && entry.host == host && entry.geometry == geometry && entry.storage == storage;
  });
  const bool is_new = found == entries_.end();
  Entry& entry = is_new ? place_for_another() : *found;
  if (is_new) {
    const std::size_t bytes = geometry.pixels();
    entry.copy.reserve(bytes);
    copy_image(reinterpret_cast<const std::byte*>(host), 1, geometry, staging);
    check(cudaMemcpyAsync(entry.copy.data(), staging, bytes, cudaMemcpyHostToDevice, stream),
          "cudaMemcpyAsync of a mask");
    entry.host = host;
    entry.geometry = geometry;
    entry.storage = storage;
  }
  entry.last_used = now_;
  return reinterpret_cast<const std::uint8_t*>(entry.copy.data());
}

MaskCache::Entry& MaskCache::place_for_another() {
  if (entries_.size() >= most_) {
    const auto oldest = std::ranges::min_element(entries_, {}, &Entry::last_used);
    if (oldest->last_used + in_flight_ <= now_) return *oldest;
  }
  return entries_.emplace_back();
}

}  // namespace pnflow
