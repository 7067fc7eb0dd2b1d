#include "gpu/torch/torch_network.h"

#include <ATen/Context.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "gpu/torch/peaknet_network.h"
#include "graph/error.h"

namespace pnflow {

namespace {

std::string shape_text(at::IntArrayRef sizes) {
  return fmt::format("({})", fmt::join(sizes.begin(), sizes.end(), ", "));
}

class TorchScriptNetwork : public TorchNetwork {
 public:
  explicit TorchScriptNetwork(torch::jit::Module model) : model_(std::move(model)) {}

 protected:
  at::Tensor forward(const at::Tensor& images) override {
    const c10::IValue answer = model_.forward({images});
    if (answer.isTensor()) return answer.toTensor();
    throw DataError("wrong logits", "the model gives a " + answer.tagKind() + ", not logits");
  }

 private:
  torch::jit::Module model_;
};

using PackageLoader = torch::inductor::AOTIModelPackageLoader;
using Metadata = std::unordered_map<std::string, std::string>;

class AotiNetwork : public TorchNetwork {
 public:
  AotiNetwork(std::shared_ptr<PackageLoader> package, std::size_t fixed_batch)
      : package_(std::move(package)), fixed_batch_(fixed_batch) {}
  std::size_t fixed_batch() const override { return fixed_batch_; }

 protected:
  at::Tensor forward(const at::Tensor& images) override {
    std::vector<at::Tensor> answers = package_->run({images});
    if (answers.size() == 1) return std::move(answers.front());
    throw DataError("wrong logits",
                    fmt::format("the model gives {} tensors, not logits", answers.size()));
  }

 private:
  std::shared_ptr<PackageLoader> package_;
  std::size_t fixed_batch_;
};

// Convolutions are fastest when the channels of a pixel lie side by side.
void make_channels_last(torch::jit::Module& model) {
  for (at::Tensor tensor : model.parameters()) {
    if (tensor.dim() == 4) tensor.set_data(tensor.contiguous(at::MemoryFormat::ChannelsLast));
  }
}

torch::jit::Module load_torchscript(const EngineSettings& settings, const TorchPlace& place) {
  try {
    torch::jit::Module model = torch::jit::load(settings.weights, torch_device(place));
    model.eval();
    model.to(type_of(settings.precision));
    if (place.device >= 0) make_channels_last(model);
    return model;
  } catch (const std::exception& error) {
    throw RunError("'" + settings.weights +
                   "' is not a TorchScript file that can be loaded: " + core_of(error));
  }
}

// What the exporter has written into a package; empty when it has not.
std::string entry(const Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

// Whether this processor has the instructions that a package for the CPU was compiled for.
bool has_instructions(const std::string& wanted) {
  if (wanted.find("AVX512") != std::string::npos) return __builtin_cpu_supports("avx512f") != 0;
  if (wanted.find("AVX2") != std::string::npos) return __builtin_cpu_supports("avx2") != 0;
  return true;
}

// Before anything of the package is run: its code is the machine's own.
void check_package(const EngineSettings& settings, const Metadata& metadata,
                   const TorchPlace& place) {
  const auto differ = [&](const std::string& what, const char* key, const std::string& here) {
    const std::string has = entry(metadata, key);
    if (has.empty() || has == here) return;
    throw RunError(fmt::format("model '{}' is for {} {}, and here it is {}", settings.weights, what,
                               has, here));
  };
  differ("device", "AOTI_DEVICE_KEY", place.device < 0 ? "cpu" : "cuda");
  if (place.device >= 0) {
    differ("compute capability", "AOTI_COMPUTE_CAPABILITY", place.capability);
  } else if (const std::string isa = entry(metadata, "AOTI_CPU_ISA"); !has_instructions(isa)) {
    throw RunError(fmt::format("model '{}' is for processors with {}, and this one has none",
                               settings.weights, isa));
  }
  differ("precision", "pnflow.precision", name_of(settings.precision));
  if (settings.pad) {
    differ("height", "pnflow.height", std::to_string(settings.pad->height));
    differ("width", "pnflow.width", std::to_string(settings.pad->width));
  }
}

// "8", or "1-16" for a package that takes any number up to 16.
std::size_t fixed_batch_of(const EngineSettings& settings, const std::string& batch) {
  if (batch.empty()) return 0;
  const auto dash = batch.find('-');
  const std::size_t most = std::stoul(dash == std::string::npos ? batch : batch.substr(dash + 1));
  if (most < settings.batch_size) {
    throw RunError(
        fmt::format("model '{}' takes micro-batches of {} images, and 'batch_size' is {}",
                    settings.weights, batch, settings.batch_size));
  }
  return dash == std::string::npos ? most : 0;
}

std::vector<std::unique_ptr<TorchNetwork>> load_aoti(const EngineSettings& settings,
                                                     const TorchPlace& place, int count) {
  std::vector<std::unique_ptr<TorchNetwork>> networks;
  try {
    const Metadata metadata = PackageLoader::load_metadata_from_package(settings.weights, "model");
    check_package(settings, metadata, place);
    const std::size_t fixed = fixed_batch_of(settings, entry(metadata, "pnflow.batch"));
    // On a GPU one network runs on one stream, which keeps its runs apart: no runner has to be
    // waited for on the host, nor guarded by events, which a CUDA graph cannot contain.
    const bool one_stream = place.device >= 0;
    const auto package = std::make_shared<PackageLoader>(
        settings.weights, "model", one_stream, static_cast<std::size_t>(count),
        static_cast<at::DeviceIndex>(place.device));
    for (int i = 0; i < count; ++i)
      networks.push_back(std::make_unique<AotiNetwork>(package, fixed));
  } catch (const RunError&) {
    throw;
  } catch (const std::exception& error) {
    throw RunError("'" + settings.weights +
                   "' is not an AOTInductor package that can be loaded: " + core_of(error));
  }
  return networks;
}

}  // namespace

at::Device torch_device(const TorchPlace& place) {
  return place.device < 0 ? at::Device(at::kCPU)
                          : at::Device(at::kCUDA, static_cast<at::DeviceIndex>(place.device));
}

at::ScalarType type_of(Precision precision) {
  switch (precision) {
    case Precision::float32: return at::kFloat;
    case Precision::bfloat16: return at::kBFloat16;
    case Precision::float16: break;
  }
  return at::kHalf;
}

std::string core_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string text = known ? known->what_without_backtrace() : error.what();
  constexpr std::string_view marker = "RuntimeError: ";
  if (const auto at = text.rfind(marker); at != std::string::npos) {
    text.erase(0, at + marker.size());
  }
  return text.substr(0, text.find('\n'));
}

at::Tensor TorchNetwork::logits(const at::Tensor& images) {
  const c10::InferenceMode inference;
  const std::vector<std::int64_t> wanted{images.size(0), 2, images.size(2), images.size(3)};
  at::Tensor logits;
  try {
    logits = forward(images);
  } catch (const DataError&) {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    throw DataError("out of device memory", core_of(error));
  } catch (const std::exception& error) {
    throw DataError("inference", core_of(error));
  }
  const std::string want = "logits " + shape_text(wanted) + " (images, 2 classes, height, width)";
  if (logits.sizes() != at::IntArrayRef(wanted)) {
    throw DataError("wrong logits",
                    "the model gives " + shape_text(logits.sizes()) + ", not " + want);
  }
  if (!logits.is_floating_point()) {
    throw DataError("wrong logits", std::string("the model gives ") +
                                        c10::toString(logits.scalar_type()) + " values, not " +
                                        want + " in floating point");
  }
  return logits;
}

std::vector<std::unique_ptr<TorchNetwork>> load_networks(const EngineSettings& settings,
                                                         const TorchPlace& place, int count) {
  if (!std::filesystem::is_regular_file(settings.weights)) {
    throw RunError("there is no model file '" + settings.weights + "'");
  }
  if (settings.precision == Precision::float32) {
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  }
  if (settings.name == "aoti") return load_aoti(settings, place, count);
  if (settings.name == "peaknet") return load_peaknet(settings, place, count);
  // Micro-batches have few sizes, and each is worth kernels of its own: the general ones, which
  // TorchScript would turn to after two sizes, are slower.
  torch::jit::FusionStrategy strategy = {{torch::jit::FusionBehavior::STATIC, 8},
                                         {torch::jit::FusionBehavior::DYNAMIC, 4}};
  torch::jit::setFusionStrategy(strategy);
  const torch::jit::Module model = load_torchscript(settings, place);
  std::vector<std::unique_ptr<TorchNetwork>> networks;
  for (int i = 0; i < count; ++i) networks.push_back(std::make_unique<TorchScriptNetwork>(model));
  return networks;
}

}  // namespace pnflow
