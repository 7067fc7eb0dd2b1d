#include "gpu/builtin_engines.h"

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "gpu/engine.h"

using namespace pnflow;

namespace {

std::unique_ptr<InferenceEngine> make(const char* name, const EngineSettings& settings) {
  Registry registry;
  register_builtin_engines(registry);
  const auto offer = registry.find_offer(engine_interface, name);
  REQUIRE(offer);
  auto engines = std::static_pointer_cast<EngineFactory>(offer)->make(settings);
  REQUIRE(engines.size() == static_cast<std::size_t>(settings.instances));
  return std::move(engines.front());
}

std::vector<std::uint16_t> spotted(std::size_t height, std::size_t width) {
  std::vector<std::uint16_t> pixels(height * width, 20);
  for (std::size_t y = 5; y + 5 < height; y += 11) {
    for (std::size_t x = 5; x + 5 < width; x += 13) {
      for (std::size_t i : {0, 1})
        pixels[(y + i) * width + x] = pixels[(y + i) * width + x + 1] = 100;
    }
  }
  return pixels;
}

std::vector<std::byte> run(InferenceEngine& engine, const std::vector<std::uint16_t>& pixels,
                           const MapGeometry& geometry, MapFormat format) {
  std::vector<std::byte> map(geometry.map_bytes(format), std::byte{0xAA});
  MicroBatch batch{DType::u16, geometry, Normalize::instance, {}};
  const auto* first = reinterpret_cast<const std::byte*>(pixels.data() + geometry.first());
  batch.images.push_back({first, nullptr, map.data(), nullptr});
  bool done = false;
  engine.launch(batch, [&](const std::exception_ptr& error) {
    CHECK(!error);
    done = true;
  });
  REQUIRE(done);
  return map;
}

}  // namespace

TEST_CASE("bits and bytes of the threshold engine are the same map, inside the padding") {
  for (const PadStyle style : {PadStyle::center, PadStyle::bottom_right}) {
    EngineSettings settings;
    settings.pad = MapPadding{51, 150, style};
    const MapGeometry g = map_geometry(40, 70, settings.pad);
    const auto pixels = spotted(40, 70);
    settings.output = MapFormat::uint8;
    const auto bytes = run(*make("threshold", settings), pixels, g, settings.output);
    settings.output = MapFormat::bits;
    const auto bits = run(*make("threshold", settings), pixels, g, settings.output);
    const auto* words = reinterpret_cast<const std::uint64_t*>(bits.data());
    std::size_t found = 0;
    for (std::size_t y = 0; y < g.map_height; ++y) {
      for (std::size_t x = 0; x < g.map_width; ++x) {
        const bool inside = y >= g.top && y < g.top + 40 && x >= g.left && x < g.left + 70;
        const bool lit = inside && pixels[(y - g.top) * 70 + x - g.left] == 100;
        REQUIRE((bytes[y * g.map_width + x] == std::byte{1}) == lit);
        const bool bit = (words[y * g.words() + x / 64] >> (x % 64) & 1U) != 0;
        REQUIRE(bit == lit);
        found += lit ? 1 : 0;
      }
      REQUIRE((words[y * g.words() + 2] >> (150 - 128)) == 0);
    }
    CHECK(found > 40);
  }
}

TEST_CASE("the threshold engine sees nothing of what is cropped") {
  const auto received = spotted(60, 90);
  const MapGeometry cropped = map_geometry(60, 90, {}, MapCrop{40, 70, 11, 13});
  std::vector<std::uint16_t> image(cropped.pixels());
  copy_image(reinterpret_cast<const std::byte*>(received.data() + 11 * 90 + 13), 2, cropped,
             reinterpret_cast<std::byte*>(image.data()));
  const auto engine = make("threshold", {});
  const auto map = run(*engine, received, cropped, MapFormat::bits);
  CHECK(map == run(*engine, image, map_geometry(40, 70, {}), MapFormat::bits));
  CHECK(std::ranges::any_of(map, [](std::byte b) { return b != std::byte{0}; }));
}

TEST_CASE("engine none gives empty maps") {
  EngineSettings settings;
  settings.instances = 3;
  const MapGeometry g = map_geometry(40, 70, {});
  for (const std::byte b : run(*make("none", settings), spotted(40, 70), g, MapFormat::bits)) {
    REQUIRE(b == std::byte{0});
  }
}

TEST_CASE("each engine is offered by its name") {
  Registry registry;
  register_builtin_engines(registry);
  CHECK(registry.offers(engine_interface) == std::vector<std::string>{"none", "threshold"});
}
