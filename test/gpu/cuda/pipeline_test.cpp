// Pipelines on a GPU against the engines on the CPU, which are the reference.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "gpu/builtin_engines.h"
#include "gpu/preprocess.h"
#include "graph/error.h"
#include "graph/registry.h"
#include "test/gpu/cuda/echo_model.h"
#include "test/gpu/cuda/launching.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr DType all_dtypes[] = {DType::u8,  DType::i8,  DType::u16, DType::i16, DType::u32,
                                DType::i32, DType::u64, DType::i64, DType::f32, DType::f64};

std::unique_ptr<InferenceEngine> on_gpu(const EngineSettings& settings,
                                        const DeviceModelFactory* models = nullptr) {
  EngineSettings with_device = settings;
  with_device.devices = {0};
  return std::move(pipelines().make(with_device, models).front());
}

std::unique_ptr<InferenceEngine> on_cpu(const EngineSettings& settings) {
  Registry registry;
  register_builtin_engines(registry);
  const auto offer = registry.find_offer(engine_interface, settings.name);
  return std::move(std::static_pointer_cast<EngineFactory>(offer)->make(settings).front());
}

bool bit(const std::byte* map, const MapGeometry& g, std::size_t y, std::size_t x) {
  std::uint64_t word = 0;
  std::memcpy(&word, map + (y * g.words() + x / 64) * 8, 8);
  return (word >> (x % 64) & 1U) != 0;
}

}  // namespace

namespace {

void check_threshold(std::span<const std::pair<std::size_t, std::size_t>> sizes) {
  EngineSettings settings;
  settings.name = "threshold";
  settings.batch_size = 3;
  settings.threshold.snr = 5;
  settings.threshold.min_intensity = 50;
  unsigned seed = 0;
  for (const auto& [height, width] : sizes) {
    for (const DType dtype : all_dtypes) {
      for (const MapFormat format : {MapFormat::bits, MapFormat::uint8}) {
        CAPTURE(height);
        CAPTURE(width);
        CAPTURE(static_cast<int>(dtype));
        CAPTURE(static_cast<int>(format));
        settings.output = format;
        settings.threshold.radius = seed % 3 == 0 ? 15 : 7;
        settings.pad =
            seed % 2 == 0 ? std::optional(MapPadding{height + 3, width + 66}) : std::nullopt;
        const MapGeometry geometry = map_geometry(height, width, settings.pad);
        ++seed;
        Images gpu = random_images(dtype, geometry, 3, seed % 4 != 0, seed);
        Images cpu = gpu;
        run(*on_gpu(settings), gpu, 0, 3, Normalize::instance, settings);
        run(*on_cpu(settings), cpu, 0, 3, Normalize::instance, settings);
        REQUIRE(gpu.maps == cpu.maps);
        if (height > 100 && dtype != DType::i8) {
          CHECK(std::ranges::count(gpu.maps, std::byte{0}) <
                static_cast<std::ptrdiff_t>(gpu.maps.size()));
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("the threshold engine finds in small images on a GPU what it finds on the CPU") {
  constexpr std::pair<std::size_t, std::size_t> sizes[] = {{1, 1}, {7, 5}, {40, 70}};
  check_threshold(sizes);
}

TEST_CASE("the threshold engine finds in images of panels on a GPU what it finds on the CPU") {
  constexpr std::pair<std::size_t, std::size_t> sizes[] = {{131, 257}, {352, 384}};
  check_threshold(sizes);
}

TEST_CASE("what a network is given on a GPU is what it is given on the CPU") {
  EngineSettings settings;
  settings.name = "echo";
  settings.batch_size = 4;
  settings.logits = true;
  settings.normalize.adu_per_photon = 9.5;
  unsigned seed = 100;
  for (const auto& [height, width] : {std::pair{1UL, 1UL}, {37UL, 53UL}, {176UL, 192UL}}) {
    for (const DType dtype : all_dtypes) {
      for (const Normalize normalize :
           {Normalize::none, Normalize::instance, Normalize::instance_padded, Normalize::photons,
            Normalize::anscombe}) {
        CAPTURE(height);
        CAPTURE(width);
        CAPTURE(static_cast<int>(dtype));
        CAPTURE(static_cast<int>(normalize));
        const PadStyle style = seed % 2 == 0 ? PadStyle::center : PadStyle::bottom_right;
        settings.pad =
            seed % 3 == 0 ? std::nullopt : std::optional(MapPadding{height + 5, width + 11, style});
        const EchoModels models(seed % 2 == 0, seed % 5 == 0 ? 6 : 0);
        const MapGeometry geometry = map_geometry(height, width, settings.pad);
        ++seed;
        Images images = random_images(dtype, geometry, 3, seed % 2 == 0, seed);
        run(*on_gpu(settings, &models), images, 0, 3, normalize, settings);
        std::vector<float> wanted(geometry.map_pixels());
        for (std::size_t i = 0; i < 3; ++i) {
          preprocess(images.image(i), dtype, images.bad.empty() ? nullptr : images.bad.data(),
                     geometry, normalize, settings.normalize, wanted.data());
          const float* background = images.logits.data() + i * 2 * wanted.size();
          const float* peak = background + wanted.size();
          for (std::size_t k = 0; k < wanted.size(); ++k) {
            REQUIRE(background[k] == 0);
            const double most = 1e-5 * std::max(1.0, std::abs(double{wanted[k]}));
            REQUIRE(std::abs(double{peak[k]} - double{wanted[k]}) <= most);
            REQUIRE(bit(images.map(i, MapFormat::bits), geometry, k / geometry.map_width,
                        k % geometry.map_width) == (peak[k] > 0));
          }
        }
      }
    }
  }
}

TEST_CASE("bits, bytes and logits agree in every precision and layout") {
  for (const Precision precision : {Precision::float32, Precision::bfloat16, Precision::float16}) {
    for (const bool channels_last : {false, true}) {
      for (const std::size_t width : {64UL, 65UL, 8UL, 200UL}) {
        CAPTURE(static_cast<int>(precision));
        CAPTURE(channels_last);
        CAPTURE(width);
        const EchoModels models(channels_last);
        EngineSettings settings;
        settings.name = "echo";
        settings.precision = precision;
        settings.batch_size = 2;
        settings.logits = true;
        const MapGeometry geometry = map_geometry(33, width, {});
        Images bits = random_images(DType::f32, geometry, 2, true, 7);
        Images bytes = bits;
        run(*on_gpu(settings, &models), bits, 0, 2, Normalize::instance, settings);
        settings.output = MapFormat::uint8;
        run(*on_gpu(settings, &models), bytes, 0, 2, Normalize::instance, settings);
        REQUIRE(bits.logits == bytes.logits);
        std::size_t peaks = 0;
        for (std::size_t i = 0; i < 2; ++i) {
          for (std::size_t k = 0; k < geometry.map_pixels(); ++k) {
            const bool peak = bits.logits[(i * 2 + 1) * geometry.map_pixels() + k] > 0;
            peaks += peak ? 1 : 0;
            REQUIRE(bit(bits.map(i, MapFormat::bits), geometry, k / width, k % width) == peak);
            REQUIRE((bytes.map(i, MapFormat::uint8)[k] == std::byte{1}) == peak);
          }
          // What is behind the row's last pixel is 0.
          for (std::size_t y = 0; y < 33; ++y) {
            for (std::size_t x = width; x < geometry.words() * 64; ++x) {
              REQUIRE(!bit(bits.map(i, MapFormat::bits), geometry, y, x));
            }
          }
        }
        CHECK(peaks > 0);
      }
    }
  }
}

TEST_CASE("an image whose logits are not finite is named, and no other") {
  const MapGeometry geometry = map_geometry(33, 70, {});
  for (const bool channels_last : {false, true}) {
    const EchoModels models(channels_last);
    EngineSettings settings;
    settings.name = "echo";
    settings.precision = Precision::float16;
    settings.batch_size = 4;
    const auto engine = on_gpu(settings, &models);
    Images images{DType::u32, geometry, 5};
    std::vector<std::uint32_t> pixels(5 * geometry.pixels(), 1000);
    pixels[2 * geometry.pixels() - 1] = 70'000;  // the last one of image 1, too large for float16
    images.pixels.resize(pixels.size() * sizeof(pixels[0]));
    std::memcpy(images.pixels.data(), pixels.data(), images.pixels.size());
    run(*engine, images, 0, 3, Normalize::none, settings);
    run(*engine, images, 3, 2, Normalize::none, settings);  // in the same buffers
    CHECK(images.not_finite == std::vector<std::uint8_t>{0, 1, 0, 0, 0});
  }
}

TEST_CASE("an image's result does not depend on its place, its company or where its pixels are") {
  EngineSettings settings;
  settings.name = "echo";
  settings.batch_size = 8;
  settings.buffers = 3;
  settings.logits = true;
  const EchoModels models;
  const auto engine = on_gpu(settings, &models);
  const MapGeometry geometry = map_geometry(61, 83, {});
  Images together = random_images(DType::f32, geometry, 8, true, 3);
  Images alone = together;
  run(*engine, together, 0, 8, Normalize::instance, settings);
  for (std::size_t i = 0; i < 8; ++i) run(*engine, alone, i, 1, Normalize::instance, settings);
  CHECK(std::memcmp(together.logits.data(), alone.logits.data(), together.logits.size() * 4) == 0);
  CHECK(together.maps == alone.maps);
  const auto staged = engine->figures();
  REQUIRE(staged);
  CHECK(staged->staged_images == 16);
  CHECK(staged->micro_batches == 9);
  CHECK(staged->full_micro_batches == 1);
  // From pinned memory the pixels go up, and the results come down, without another copy.
  constexpr std::size_t block = 1U << 20U;
  const auto pixels = engine->pool()->allocate(block);
  const auto map = engine->pool()->allocate(block);
  const auto logits = engine->pool()->allocate(block);
  std::memcpy(pixels.get(), together.image(0), geometry.pixels() * sizeof(float));
  MicroBatch batch{DType::f32, geometry, Normalize::instance, {}};
  batch.images.push_back(
      {pixels.get(), together.bad.data(), map.get(), reinterpret_cast<float*>(logits.get())});
  launch_and_wait(*engine, batch);
  CHECK(std::memcmp(map.get(), together.maps.data(), geometry.map_bytes(settings.output)) == 0);
  CHECK(std::memcmp(logits.get(), together.logits.data(), 2 * geometry.map_pixels() * 4) == 0);
  CHECK(engine->figures()->staged_images == 16);
}

TEST_CASE("a crop goes up as the image that it leaves, from pinned and from ordinary memory") {
  constexpr std::size_t height = 300, width = 257;
  const EchoModels models;
  EngineSettings settings;
  settings.name = "echo";
  settings.batch_size = 3;
  settings.logits = true;
  settings.pad = MapPadding{130, 259, PadStyle::center};
  for (const MapCrop& crop : {MapCrop{128, 101, 7, 56}, MapCrop{99, width, {}, {}}}) {
    const Images received =
        random_images(DType::u16, map_geometry(height, width, {}), 3, true, crop.height);
    const MapGeometry cropped = map_geometry(height, width, settings.pad, crop);
    const std::size_t first = cropped.first();
    Images wanted{DType::u16, map_geometry(cropped.height, cropped.width, settings.pad), 3};
    wanted.pixels.resize(3 * cropped.pixels() * 2);
    wanted.bad.resize(cropped.pixels());
    for (std::size_t i = 0; i < 3; ++i) {
      copy_image(received.image(i) + first * 2, 2, cropped,
                 wanted.pixels.data() + i * cropped.pixels() * 2);
    }
    copy_image(reinterpret_cast<const std::byte*>(received.bad.data() + first), 1, cropped,
               reinterpret_cast<std::byte*>(wanted.bad.data()));
    const auto engine = on_gpu(settings, &models);
    run(*engine, wanted, 0, 3, Normalize::instance, settings);
    const auto before = engine->figures();
    for (const bool pinned : {false, true}) {
      CAPTURE(pinned);
      const auto pixels = (pinned ? engine->pool() : heap_pool())->allocate(received.pixels.size());
      std::ranges::copy(received.pixels, pixels.get());
      std::vector<std::byte> maps(wanted.maps.size());
      std::vector<float> logits(wanted.logits.size());
      MicroBatch batch{DType::u16, cropped, Normalize::instance, {}};
      for (std::size_t i = 0; i < 3; ++i) {
        EngineImage image;
        image.pixels = pixels.get() + (i * height * width + first) * 2;
        image.bad = received.bad.data() + first;
        image.map = maps.data() + i * cropped.map_bytes(MapFormat::bits);
        image.logits = logits.data() + i * 2 * cropped.map_pixels();
        batch.images.push_back(image);
      }
      launch_and_wait(*engine, batch);
      CHECK(maps == wanted.maps);
      CHECK(std::memcmp(logits.data(), wanted.logits.data(), logits.size() * 4) == 0);
    }
    // Nothing of what is cropped went up, and a thread copied the images of ordinary memory alone.
    CHECK(engine->figures()->bytes_up - before->bytes_up == 2 * 3 * cropped.pixels() * 2);
    CHECK(engine->figures()->staged_images == before->staged_images + 3);
  }
}

TEST_CASE("after the first micro-batches nothing is allocated any more") {
  EngineSettings settings;
  settings.name = "none";
  settings.batch_size = 4;
  const auto engine = on_gpu(settings);
  Images images = random_images(DType::u16, map_geometry(100, 100, {}), 4, true, 5);
  for (int i = 0; i < 3; ++i) run(*engine, images, 0, 4, Normalize::instance, settings);
  const auto before = engine->figures();
  for (int i = 0; i < 50; ++i) run(*engine, images, 0, 1 + i % 4, Normalize::instance, settings);
  const auto after = engine->figures();
  CHECK(after->allocations == before->allocations);
  CHECK(after->device_bytes == before->device_bytes);
  CHECK(after->micro_batches == 53);
}

TEST_CASE("a mask that changes under way is the one that is used") {
  EngineSettings settings;
  settings.name = "echo";
  settings.logits = true;
  const EchoModels models;
  const auto engine = on_gpu(settings, &models);
  const MapGeometry geometry = map_geometry(20, 30, {});
  Images images = random_images(DType::u16, geometry, 1, false, 9);
  for (unsigned round = 0; round < 20; ++round) {
    const auto mask = std::make_shared<std::vector<std::uint8_t>>(geometry.pixels());
    for (std::size_t k = round; k < mask->size(); k += 7) (*mask)[k] = 1;
    std::vector<std::byte> map(geometry.map_bytes(MapFormat::bits));
    std::vector<float> logits(2 * geometry.map_pixels());
    MicroBatch batch{DType::u16, geometry, Normalize::none, {}};
    EngineImage image;
    image.pixels = images.image(0);
    image.bad = mask->data();
    image.bad_storage = {mask, reinterpret_cast<const std::byte*>(mask->data())};
    image.map = map.data();
    image.logits = logits.data();
    batch.images.push_back(image);
    launch_and_wait(*engine, batch);
    for (std::size_t k = 0; k < mask->size(); ++k) {
      const bool masked = (*mask)[k] != 0;
      REQUIRE((logits[geometry.map_pixels() + k] == 0) == masked);
    }
  }
}

TEST_CASE("a GPU that is not there is named") {
  EngineSettings settings;
  settings.name = "none";
  settings.devices = {99};
  CHECK_THROWS_WITH_AS(pipelines().make(settings, nullptr), doctest::Contains("there is no GPU 99"),
                       RunError);
}
