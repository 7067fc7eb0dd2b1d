#pragma once

#include <cstddef>
#include <vector>

#include "gpu/cuda/cuda_handles.h"
#include "gpu/cuda/cuda_memory.h"
#include "gpu/cuda/mask_cache.h"
#include "gpu/cuda/raw_images.h"
#include "gpu/cuda/stage.h"
#include "gpu/engine.h"

namespace pnflow {

// When the work of a micro-batch began and ended.
struct SpanEvents {
  Event begin;
  Event end;
};

// The memory of one micro-batch in flight, and its way to the device and back. Used by one thread
// at a time, whose current device is the set's. Throws CudaError.
class BufferSet {
 public:
  BufferSet(MapFormat format, bool logits) : format_(format), logits_wanted_(logits) {}

  // Begins with a micro-batch, which must stay until the results are there.
  void begin(const MicroBatch& batch, InferenceEngine::Done done);
  const MicroBatch& batch() const { return *batch_; }

  // Enqueues the copies of pixels and masks. Pixels in pinned memory go up from where they are;
  // others are first copied into pinned memory by the calling thread.
  void upload(MaskCache& masks, cudaStream_t stream);
  // What upload() has put on the device, and where the results of it are to be put.
  const RawImages& raw() const { return raw_; }
  const DeviceMaps& results() const { return results_; }
  // Enqueues the copies of the results, straight to where they are wanted if that is pinned.
  void download(cudaStream_t stream);

  // The results have come: they are put where they are wanted.
  void store_results() const;
  // The set is free again; returns what is to be called when that has been noted.
  InferenceEngine::Done finish();

  // Images that a thread had to copy into pinned memory, in the present micro-batch.
  std::size_t staged_images() const { return staged_images_; }
  // Bytes of pixels that went up, and of results that come down.
  std::size_t bytes_up() const { return bytes_up_; }
  std::size_t bytes_down() const { return bytes_down_; }

  SpanEvents up, compute, down;

 private:
  struct Late {  // results that lie in `landing_` and are wanted elsewhere
    const std::byte* from;
    std::byte* to;
    std::size_t bytes;
  };
  void upload_pixels(cudaStream_t stream);
  void upload_masks(MaskCache& masks, cudaStream_t stream);
  // `offset` in landing_ is where results lie that are not wanted in pinned memory.
  template <class Place>
  void download_part(const std::byte* from, std::size_t bytes, std::size_t offset, Place place,
                     cudaStream_t stream);
  std::size_t map_bytes() const;  // of one image
  std::size_t logit_bytes() const;

  MapFormat format_;
  bool logits_wanted_;
  const MicroBatch* batch_ = nullptr;
  InferenceEngine::Done done_;
  RawImages raw_;
  DeviceMaps results_;
  std::vector<Late> late_;
  std::size_t staged_images_ = 0, bytes_up_ = 0, bytes_down_ = 0;
  CudaBuffer pixels_{MemoryKind::device};
  CudaBuffer bad_{MemoryKind::device};  // the list of masks
  CudaBuffer maps_{MemoryKind::device};
  CudaBuffer logits_{MemoryKind::device};
  CudaBuffer not_finite_{MemoryKind::device};
  CudaBuffer staging_{MemoryKind::pinned};
  CudaBuffer mask_staging_{MemoryKind::pinned};
  CudaBuffer landing_{MemoryKind::pinned};
  CudaBuffer not_finite_landing_{MemoryKind::pinned};
};

}  // namespace pnflow
