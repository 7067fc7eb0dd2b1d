#include "gpu/torch/peaknet_network.h"

#include <ATen/ops/constant_pad_nd.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "gpu/peaknet/peaknet_weights.h"
#include "gpu/peaknet/state_dict_file.h"
#include "gpu/torch/peaknet_logits.h"

namespace pnflow {

namespace {

using at::Tensor;

class PeakNetNetwork : public TorchNetwork {
 public:
  PeakNetNetwork(std::shared_ptr<const PeakNetParts<Tensor>> parts, std::size_t stride)
      : parts_(std::move(parts)), stride_(static_cast<std::int64_t>(stride)) {}

 protected:
  Tensor forward(const Tensor& images) override {
    const std::int64_t height = images.size(2);
    const std::int64_t width = images.size(3);
    const std::int64_t below = (stride_ - height % stride_) % stride_;
    const std::int64_t right = (stride_ - width % stride_) % stride_;
    if (below == 0 && right == 0) return peaknet_logits(*parts_, images);
    return peaknet_logits(*parts_, at::constant_pad_nd(images, {0, right, 0, below}))
        .narrow(2, 0, height)
        .narrow(3, 0, width);
  }

 private:
  std::shared_ptr<const PeakNetParts<Tensor>> parts_;
  std::int64_t stride_;
};

}  // namespace

std::vector<std::unique_ptr<TorchNetwork>> load_peaknet(const EngineSettings& settings,
                                                        const TorchPlace& place, int count) {
  const c10::InferenceMode inference;
  const PeakNetWeights weights =
      peaknet_weights(read_state_dict(settings.weights), settings.weights);
  settings.log(fmt::format("PeakNet of {:.2f} million parameters: {}",
                           static_cast<double>(parameters_of(weights.config)) / 1e6,
                           to_string(weights.config)));
  const auto shared = std::make_shared<const PeakNetParts<Tensor>>(
      peaknet_parts(weights, type_of(settings.precision), torch_device(place)));
  std::vector<std::unique_ptr<TorchNetwork>> networks;
  for (int i = 0; i < count; ++i) {
    networks.push_back(std::make_unique<PeakNetNetwork>(shared, weights.config.stride()));
  }
  return networks;
}

}  // namespace pnflow
