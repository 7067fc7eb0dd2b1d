#include "gpu/torch/torchscript_engine.h"

#include <ATen/Parallel.h>
#include <torch/script.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>

#include "gpu/preprocess.h"
#include "graph/error.h"

namespace pnflow {

namespace {

using Size = std::int64_t;

// LibTorch's messages are tracebacks of many lines; this is the one that says what was wrong.
std::string core_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string text = known ? known->what_without_backtrace() : error.what();
  constexpr std::string_view marker = "RuntimeError: ";
  if (const auto at = text.rfind(marker); at != std::string::npos) {
    text.erase(0, at + marker.size());
  }
  return text.substr(0, text.find('\n'));
}

std::string shape_text(at::IntArrayRef sizes) {
  std::ostringstream out;
  out << "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) out << (i > 0 ? ", " : "") << sizes[i];
  out << ")";
  return out.str();
}

// The logits in a model's answer to `images` images of height x width. Throws DataError, with what
// was wanted and what came.
at::Tensor logits_of(const c10::IValue& answer, Size images, Size height, Size width) {
  const std::vector<Size> wanted{images, 2, height, width};
  const std::string want = "logits " + shape_text(wanted) + " (images, 2 classes, height, width)";
  if (!answer.isTensor()) {
    throw DataError("inference", "the model gives a " + answer.tagKind() + ", not " + want);
  }
  const at::Tensor& logits = answer.toTensor();
  if (logits.sizes() != at::IntArrayRef(wanted)) {
    throw DataError("inference", "the model gives " + shape_text(logits.sizes()) + ", not " + want);
  }
  if (!logits.is_floating_point()) {
    throw DataError("inference", std::string("the model gives ") +
                                     c10::toString(logits.scalar_type()) + " values, not " + want +
                                     " in floating point");
  }
  return logits.to(at::kFloat).contiguous();
}

// LibTorch's own parallelism is a setting of the calling thread.
void use_threads(int threads) {
  thread_local int used = 0;
  if (used == threads) return;
  at::set_num_threads(threads);
  used = threads;
}

class TorchScriptEngine : public BlockingEngine {
 public:
  TorchScriptEngine(torch::jit::Module model, const EngineSettings& settings)
      : model_(std::move(model)),
        output_(settings.output),
        eps_(settings.normalize_eps),
        threads_(settings.threads) {}

  // The model's logits for what is in input().
  at::Tensor forward(Size images, Size height, Size width) {
    const c10::InferenceMode inference;
    use_threads(threads_);
    at::Tensor input = torch::from_blob(input_.data(), {images, 1, height, width}, at::kFloat);
    return logits_of(model_.forward({std::move(input)}), images, height, width);
  }

  // Room for `values` pixels of float32.
  float* input(std::size_t values) {
    input_.resize(std::max(input_.size(), values));
    return input_.data();
  }

 protected:
  void run(const MicroBatch& batch) override {
    const MapGeometry& geometry = batch.geometry;
    const std::size_t pixels = geometry.map_pixels();
    float* next = input(batch.images.size() * pixels);
    for (const EngineImage& image : batch.images) {
      preprocess(image.pixels, batch.dtype, image.bad, geometry, batch.normalize, eps_, next);
      next += pixels;
    }
    at::Tensor logits;
    try {
      logits =
          forward(static_cast<Size>(batch.images.size()), static_cast<Size>(geometry.map_height),
                  static_cast<Size>(geometry.map_width));
    } catch (const DataError&) {
      throw;
    } catch (const std::exception& error) {
      throw DataError("inference", core_of(error));
    }
    const float* values = logits.const_data_ptr<float>();
    for (const EngineImage& image : batch.images) {
      store_classes(values, geometry, image.map);
      if (image.logits) std::copy_n(values, 2 * pixels, image.logits);
      values += 2 * pixels;
    }
  }

 private:
  void store_classes(const float* logits, const MapGeometry& geometry, std::byte* map) {
    const std::size_t row_bytes = geometry.map_bytes(output_) / geometry.map_height;
    classes_.resize(geometry.map_width);
    for (std::size_t y = 0; y < geometry.map_height; ++y) {
      const float* background = logits + y * geometry.map_width;
      const float* peak = background + geometry.map_pixels();
      for (std::size_t x = 0; x < geometry.map_width; ++x) {
        classes_[x] = peak[x] > background[x] ? 1 : 0;  // a tie goes to class 0
      }
      store_map_row(classes_.data(), geometry, output_, map + y * row_bytes);
    }
  }

  torch::jit::Module model_;
  MapFormat output_;
  double eps_;
  int threads_;
  std::vector<float> input_;           // grows to the largest micro-batch and stays
  std::vector<std::uint8_t> classes_;  // one row of a map
};

torch::jit::Module load(const EngineSettings& settings) {
  if (!std::filesystem::is_regular_file(settings.weights)) {
    throw RunError("there is no model file '" + settings.weights + "'");
  }
  try {
    torch::jit::Module model = torch::jit::load(settings.weights, at::kCPU);
    model.eval();
    return model;
  } catch (const std::exception& error) {
    throw RunError("'" + settings.weights +
                   "' is not a TorchScript file that can be loaded: " + core_of(error));
  }
}

// Runs one empty image through the model, of the size that all images will have when they are
// padded. Without padding the size is not known yet: then one of a usual size is tried, and a model
// that cannot take it may still take the real ones.
void try_out(TorchScriptEngine& engine, const EngineSettings& settings) {
  constexpr std::size_t usual = 64;
  const std::size_t height = settings.pad ? settings.pad->height : usual;
  const std::size_t width = settings.pad ? settings.pad->width : usual;
  const std::string model = "model '" + settings.weights + "' ";
  std::fill_n(engine.input(height * width), height * width, 0.0F);
  try {
    engine.forward(1, static_cast<Size>(height), static_cast<Size>(width));
  } catch (const DataError& error) {
    throw RunError(model + "does not fit: " + error.what());
  } catch (const std::exception& error) {
    const std::string what =
        "cannot take an image " +
        shape_text({1, 1, static_cast<Size>(height), static_cast<Size>(width)}) +
        " of float32: " + core_of(error);
    if (settings.pad) throw RunError(model + what);
    settings.log(model + what + "; whether it can take the run's images shows with the first one");
  }
}

}  // namespace

std::vector<std::unique_ptr<InferenceEngine>> TorchScriptEngineFactory::make(
    const EngineSettings& settings) const {
  const torch::jit::Module model = load(settings);
  std::vector<std::unique_ptr<InferenceEngine>> engines;
  for (int i = 0; i < settings.instances; ++i) {
    auto engine = std::make_unique<TorchScriptEngine>(model, settings);  // they share the weights
    if (i == 0) try_out(*engine, settings);
    engines.push_back(std::move(engine));
  }
  return engines;
}

}  // namespace pnflow
