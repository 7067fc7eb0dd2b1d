#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "gpu/cuda/cuda_memory.h"
#include "gpu/map_geometry.h"

namespace pnflow {

// Copies of bad-pixel masks on a device. Nearly always a stream has one mask for each panel, and it
// goes up once; a stream whose every message brings its own costs a copy for each of its images.
// For one thread, whose current device is the cache's.
class MaskCache {
 public:
  // `in_flight` micro-batches of up to `images` images at once.
  MaskCache(std::size_t images, std::size_t in_flight)
      : most_(images * (in_flight + 1)), in_flight_(in_flight) {}

  // A micro-batch begins. Entries of one that began `in_flight` ago are not in use any more.
  void begin() { ++now_; }

  // Where the mask at `host`, of images of this geometry, is in the device's memory. When it has to
  // go up, it does so on `stream` out of `staging`: pinned room for a byte a pixel, used until the
  // stream has got there. Throws CudaError.
  const std::uint8_t* find(const std::uint8_t* host, const MapGeometry& geometry,
                           const std::shared_ptr<const std::byte>& storage, std::byte* staging,
                           cudaStream_t stream);

 private:
  struct Entry {
    const std::uint8_t* host = nullptr;
    MapGeometry geometry;
    std::shared_ptr<const std::byte> storage;  // so that nothing else can be at that address
    CudaBuffer copy{MemoryKind::device};
    std::uint64_t last_used = 0;
  };
  Entry& place_for_another();

  std::vector<Entry> entries_;
  std::size_t most_;
  std::size_t in_flight_;
  std::uint64_t now_ = 0;
};

}  // namespace pnflow
