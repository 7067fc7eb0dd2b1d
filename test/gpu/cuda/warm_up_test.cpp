// What a model is told at the end of a pipeline's warm-up, and what it is given from then on.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <span>
#include <utility>

#include "test/gpu/cuda/echo_model.h"
#include "test/gpu/cuda/launching.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

struct Watched {
  std::vector<DeviceImages> told;
  std::atomic<std::uint64_t> as_told = 0;  // calls of run() since then
  std::atomic<std::uint64_t> otherwise = 0;
};

constexpr std::uint64_t model_bytes = std::uint64_t{1} << 40U;

class WatchedModel : public DeviceModel {
 public:
  WatchedModel(std::unique_ptr<DeviceModel> model, Watched& watched)
      : model_(std::move(model)), watched_(watched) {}
  std::size_t fixed_batch() const override { return model_->fixed_batch(); }
  DeviceModelCounts counts() const override {
    return {.allocations = 0, .peak_bytes = model_bytes, .graph_launches = watched_.as_told};
  }
  bool capture(std::span<const DeviceImages> sizes, void*) override {
    watched_.told.assign(sizes.begin(), sizes.end());
    return true;
  }
  DeviceLogits run(const DeviceImages& images, void* stream) override {
    if (!watched_.told.empty()) {
      ++(std::ranges::count(watched_.told, images) == 1 ? watched_.as_told : watched_.otherwise);
    }
    return model_->run(images, stream);
  }

 private:
  std::unique_ptr<DeviceModel> model_;
  Watched& watched_;
};

class WatchedModels : public DeviceModelFactory {
 public:
  WatchedModels(Watched& watched, std::size_t fixed_batch)
      : watched_(watched), models_(false, fixed_batch) {}
  std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const override {
    auto models = models_.make(settings);
    for (auto& model : models) model = std::make_unique<WatchedModel>(std::move(model), watched_);
    return models;
  }

 private:
  Watched& watched_;
  EchoModels models_;
};

// Runs micro-batches of 1 to 6 images after a warm-up; returns the pipeline's figures.
PipelineFigures run_all_sizes(Watched& watched, std::size_t fixed_batch,
                              std::optional<MapPadding> pad) {
  EngineSettings settings;
  settings.name = "echo";
  settings.devices = {0};
  settings.batch_size = 6;
  settings.pad = pad;
  const WatchedModels models(watched, fixed_batch);
  const auto engine = std::move(pipelines().make(settings, &models).front());
  engine->warm_up();
  Images images = random_images(DType::u16, map_geometry(30, 40, settings.pad), 6, true, 11);
  for (std::size_t count = 1; count <= 6; ++count) {
    run(*engine, images, 0, count, Normalize::instance, settings);
  }
  return engine->figures().value();
}

std::vector<std::size_t> sizes_of(const Watched& watched) {
  std::vector<std::size_t> sizes;
  for (const DeviceImages& images : watched.told) sizes.push_back(images.images);
  return sizes;
}

}  // namespace

TEST_CASE("after the warm-up a model is given images of the sizes, and where, it was told") {
  Watched watched;
  const PipelineFigures figures = run_all_sizes(watched, 0, MapPadding{32, 44});
  CHECK(sizes_of(watched) == std::vector<std::size_t>{6, 4, 2, 1});
  CHECK(watched.otherwise == 0);
  // What the model counts during the warm-up is left out, its memory is not.
  CHECK(figures.micro_batches == 6);
  CHECK(figures.graph_launches == 6);
  CHECK(watched.as_told > 6);
  CHECK(figures.device_bytes > model_bytes);
}

TEST_CASE("a model of one size is told of that one") {
  Watched watched;
  const PipelineFigures figures = run_all_sizes(watched, 8, MapPadding{32, 44});
  CHECK(sizes_of(watched) == std::vector<std::size_t>{8});
  CHECK(watched.otherwise == 0);
  CHECK(figures.graph_launches == 6);
}

TEST_CASE("without the images' size a model is told nothing") {
  Watched watched;
  const PipelineFigures figures = run_all_sizes(watched, 0, {});
  CHECK(watched.told.empty());
  CHECK(figures.micro_batches == 6);
  CHECK(figures.graph_launches == 0);
}
