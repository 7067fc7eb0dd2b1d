#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gpu/device_model.h"
#include "gpu/peaknet_cuda/device_program.h"
#include "gpu/peaknet_cuda/kernels.h"
#include "gpu/peaknet_cuda/library_operations.h"
#include "gpu/peaknet_cuda/placed_weights.h"

namespace pnflow {

// PeakNet's work for images of one size, from the images to the scores of its four levels, without
// memory: the network's figure, in the order in which it runs. Used by one thread at a time.
class PeakNetProgram {
 public:
  // Called, on a stream that has been waited for, with what a part of the network gives,
  // channels-last and of the network's precision, under the name of its module in PyTorch, and
  // with "bifpn.blocks.0.2" for what level 2 is behind a block. For tests.
  using Watch = std::function<void(const std::string& part, const void* values,
                                   const PixelGrid& grid, std::size_t channels)>;

  // Heights and widths are any: images are padded with zeros below and to the right as far as the
  // network asks for. `net` and `libraries` must outlive it. Throws CudaError, LibraryError.
  PeakNetProgram(const PlacedPeakNet& net, LibraryOperations& libraries, const DeviceImages& images,
                 DepthwiseSums sums, Watch watch = nullptr);
  PeakNetProgram(const PeakNetProgram&) = delete;
  PeakNetProgram& operator=(const PeakNetProgram&) = delete;

  // Its size; `values` is that of the last run.
  const DeviceImages& images() const { return images_; }
  const MemoryPlan& plan() const { return plan_; }
  // Memory for the plan, which may be what other programs work in at other times.
  void place(std::byte* memory) { program_.place(plan_, memory); }
  // Has libraries choose their algorithms. Waits for the stream. Throws CudaError, LibraryError.
  void prepare(cudaStream_t stream) { program_.prepare(stream); }

  // Enqueues all of it. The scores stay until the memory is used again. Throws CudaError,
  // LibraryError.
  void run(const void* images, cudaStream_t stream);

  LevelScores scores() const;
  // Room that decide_peaks() may need.
  float* merged() const { return floats(merged_); }
  PixelGrid patches() const { return patches_; }

 private:
  using Result = DeviceProgram::Result;
  struct Activation {
    Result values;
    PixelGrid grid;
    std::size_t channels = 0;
  };
  using Levels = std::array<Activation, peaknet_levels>;

  void record();
  Activation embeddings();
  void convnext(const PlacedBlock& block, const Activation& x);
  Levels bifpn(const PlacedBiFpnBlock& block, const Levels& p);
  Result head(std::size_t level, Activation x);

  void unmark_images();
  Result padded_images();
  struct Expanded {
    Activation h;
    Result parts;  // of the sums of squares, `count` of them
    std::size_t count = 0;
  };
  Expanded expanded(const PlacedLinear& layer, const Activation& seen);
  // What its adapter sees, and, unless it is the last stage, what the next one's downsampling does.
  std::pair<Activation, Activation> normalised(const Activation& x, bool last);
  Activation linear(const PlacedLinear& layer, const Activation& x, std::size_t outputs,
                    GemmEpilogue epilogue = GemmEpilogue::bias);
  Activation mixed_up(const PlacedNode& node, const Activation& p, const Activation& deeper);
  Activation mixed_down(const PlacedNode& node, const Activation& p, const Activation& m,
                        const Activation& shallower);
  Activation mixed(const PlacedNode& node, const Activation& mean, const Activation& p);
  Activation convolved(const PlacedHeadLayer& layer, const Activation& x);
  void multiply(const GemmShape& shape, Result x, const Result* made_weight,
                const PlacedLinear& layer, Result out);

  Activation activation(const PixelGrid& grid, std::size_t channels);
  Activation like(const Activation& x) { return activation(x.grid, x.channels); }
  Result float_result(std::size_t count) { return program_.result(count * sizeof(float)); }
  std::byte* at(Result result) const { return program_[result]; }
  std::byte* at(const Activation& x) const { return program_[x.values]; }
  float* floats(Result result) const { return reinterpret_cast<float*>(program_[result]); }
  void tell(const std::string& part, const Activation& x);

  const PlacedPeakNet& net_;
  const PlacedParts& parts_;
  const Precision precision_;
  const bool hopper_;  // kernels for Hopper where there are some
  LibraryOperations& libraries_;
  DeviceImages images_;
  const DepthwiseSums sums_;
  const Watch watch_;
  PixelGrid patches_;
  DeviceProgram program_;
  std::array<Result, peaknet_levels> scores_{};
  Result merged_;
  Result exceeded_;  // by depthwise convolutions, one mark for each and each image
  std::size_t marks_ = 0;
  MemoryPlan plan_;
};

}  // namespace pnflow
