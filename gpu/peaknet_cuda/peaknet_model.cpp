#include "gpu/peaknet_cuda/peaknet_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/recorded_graph.h"
#include "gpu/peaknet/peaknet_weights.h"
#include "gpu/peaknet/state_dict_file.h"
#include "gpu/peaknet_cuda/peaknet_program.h"
#include "gpu/peaknet_cuda/shapes.h"
#include "graph/error.h"

namespace pnflow {

namespace {

// What the kernels ask for.
void check_channels(const PeakNetConfig& config, const std::string& file) {
  std::vector<std::size_t> channels(config.hidden_sizes.begin(), config.hidden_sizes.end());
  channels.push_back(config.features);
  channels.push_back(config.head_features);
  for (const std::size_t count : channels) {
    if (count % piece_channels == 0 && count <= most_channels) continue;
    throw RunError(
        fmt::format("'{}' is a PeakNet with {}: on a GPU, channels are multiples of {} "
                    "up to {}, and {} is not",
                    file, to_string(config), piece_channels, most_channels, count));
  }
}

class PeakNetModel : public DeviceModel {
 public:
  PeakNetModel(std::shared_ptr<const PlacedPeakNet> net, std::shared_ptr<AlgorithmCache> cache,
               int device, const EngineSettings& settings)
      : net_(std::move(net)),
        device_(device),
        sums_(net_->precision() == Precision::float32 ? DepthwiseSums::float32
                                                      : DepthwiseSums::float16),
        graphs_wanted_(settings.cuda_graph == CudaGraph::automatic),
        log_(settings.log),
        libraries_(std::move(cache)) {}

  bool run_to_maps(const DeviceImages& images, const DeviceMaps& maps, void* opaque) override {
    auto* stream = static_cast<cudaStream_t>(opaque);
    Sized& sized = of_size(images, stream);
    if (sized.graph && sized.recorded == images.values) {
      sized.graph->launch(stream);
      ++graph_launches_;
    } else {
      sized.program->run(images.values, stream);
    }
    const PeakNetProgram& program = *sized.program;
    decide_peaks(program.scores(), net_->scores(), net_->bias(), net_->config().patch_size,
                 program.patches(), program.merged(), maps, stream);
    return true;
  }

  bool capture(std::span<const DeviceImages> sizes, void* opaque) override {
    if (!graphs_wanted_) return false;
    auto* stream = static_cast<cudaStream_t>(opaque);
    try {
      for (const DeviceImages& images : sizes) {
        Sized& sized = of_size(images, stream);
        sized.graph.emplace(stream, [&] { sized.program->run(images.values, stream); });
        sized.recorded = images.values;
      }
      log_(fmt::format("device {}: CUDA graphs of {} sizes of micro-batch", device_, sizes.size()));
    } catch (const std::exception& error) {
      forget_graphs();
      log_(fmt::format("device {}: the network runs without CUDA graphs: {}", device_,
                       error.what()));
    }
    return true;
  }

  DeviceModelCounts counts() const override {
    const MemoryCounts& memory = memory_counts();
    return {memory.allocations, memory.device_bytes, graph_launches_};
  }

 private:
  struct Sized {
    std::unique_ptr<PeakNetProgram> program;
    std::optional<RecordedGraph> graph;
    const void* recorded = nullptr;  // the images that the graph reads
  };

  Sized& of_size(const DeviceImages& images, cudaStream_t stream) {
    const auto found = std::ranges::find_if(sizes_, [&](const Sized& sized) {
      DeviceImages other = sized.program->images();
      other.values = images.values;
      return other == images;
    });
    return found == sizes_.end() ? add_size(images, stream) : *found;
  }

  Sized& add_size(const DeviceImages& images, cudaStream_t stream) {
    auto program = std::make_unique<PeakNetProgram>(*net_, libraries_, images, sums_);
    const std::byte* const before = memory_.data();
    try {
      memory_.reserve(program->plan().bytes);
      if (memory_.data() != before) {
        for (Sized& sized : sizes_) sized.program->place(memory_.data());
        forget_graphs();
      }
      program->place(memory_.data());
      program->prepare(stream);
      if (libraries_.settle()) forget_graphs();
    } catch (...) {
      sizes_.clear();  // their memory may be gone: they are made again when they are asked for
      throw;
    }
    return sizes_.emplace_back(std::move(program), std::nullopt);
  }

  // They have addresses in them.
  void forget_graphs() {
    for (Sized& sized : sizes_) sized.graph.reset();
  }

  std::shared_ptr<const PlacedPeakNet> net_;
  int device_;
  DepthwiseSums sums_;
  bool graphs_wanted_;
  std::function<void(const std::string&)> log_;
  LibraryOperations libraries_;
  CudaBuffer memory_{MemoryKind::device};  // in which all programs work, one after the other
  std::vector<Sized> sizes_;
  std::atomic<std::uint64_t> graph_launches_ = 0;
};

}  // namespace

std::unique_ptr<DeviceModel> make_peaknet_model(std::shared_ptr<const PlacedPeakNet> net,
                                                std::shared_ptr<AlgorithmCache> cache, int device,
                                                const EngineSettings& settings) {
  return std::make_unique<PeakNetModel>(std::move(net), std::move(cache), device, settings);
}

std::vector<std::unique_ptr<DeviceModel>> PeakNetModelFactory::make(
    const EngineSettings& settings) const {
  const PeakNetWeights weights =
      peaknet_weights(read_state_dict(settings.weights), settings.weights);
  settings.log(fmt::format("PeakNet of {:.2f} million parameters: {}",
                           static_cast<double>(parameters_of(weights.config)) / 1e6,
                           to_string(weights.config)));
  check_channels(weights.config, settings.weights);
  const FoldedPeakNet folded = fold_peaknet(weights);
  std::shared_ptr<AlgorithmCache> cache = cache_.lock();
  if (!cache) {
    cache = std::make_shared<AlgorithmCache>(algorithm_cache_file(), settings.log);
    cache_ = cache;
  }
  std::map<int, std::shared_ptr<const PlacedPeakNet>> placed;
  std::vector<std::unique_ptr<DeviceModel>> models;
  for (const int device : settings.devices) {
    const DeviceScope current(device);
    std::shared_ptr<const PlacedPeakNet>& net = placed[device];
    if (!net) net = std::make_shared<const PlacedPeakNet>(folded, settings.precision);
    models.push_back(make_peaknet_model(net, cache, device, settings));
  }
  return models;
}

}  // namespace pnflow
