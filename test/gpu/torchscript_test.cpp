// The engine in libpnflow_torch.so, where that is built, against models that PyTorch wrote.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gpu/engine.h"
#include "graph/error.h"
#include "graph/registry.h"

using namespace pnflow;

#ifndef PNFLOW_TORCH_PYTHON

TEST_CASE("without the module the error says how to get it") {
  Registry registry;
  CHECK_THROWS_WITH_AS(load_module(registry, "torch", "scripts/build.sh default builds it"),
                       doctest::Contains("scripts/build.sh default builds it"), RunError);
}

#else

namespace {

// Made once for all tests of this file, by Python.
const std::filesystem::path& models() {
  static const struct Directory {
    Directory() {
      std::string name = (std::filesystem::temp_directory_path() / "pnflow-models-XXXXXX").string();
      REQUIRE(mkdtemp(name.data()) != nullptr);
      path = name;
      const std::string command = std::string(PNFLOW_TORCH_PYTHON) +
                                  " '" PNFLOW_TEST_DATA "/../clients/make_models.py' '" + name +
                                  "'";
      REQUIRE(std::system(command.c_str()) == 0);
    }
    ~Directory() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
  } directory;
  return directory.path;
}

std::vector<std::unique_ptr<InferenceEngine>> make(const std::string& model,
                                                   EngineSettings settings = {}) {
  static Registry registry;
  static const bool loaded = [] {
    load_module(registry, "torch", "");
    return true;
  }();
  REQUIRE(loaded);
  const auto offer = registry.find_offer(engine_interface, "torchscript");
  REQUIRE(offer);
  settings.name = "torchscript";
  settings.weights = (models() / model).string();
  return std::static_pointer_cast<EngineFactory>(offer)->make(settings);
}

EngineSettings padded(std::size_t height, std::size_t width) {
  EngineSettings settings;
  settings.pad = MapPadding{height, width, PadStyle::center};
  return settings;
}

std::vector<float> floats(const char* name, std::size_t count) {
  std::vector<float> values(count);
  std::ifstream in(models() / name, std::ios::binary);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(4 * count));
  REQUIRE(in);
  return values;
}

constexpr std::size_t height = 24, width = 40, count = 3, pixels = height * width;

struct Answer {
  std::vector<std::uint8_t> map = std::vector<std::uint8_t>(count * pixels, 9);
  std::vector<float> logits = std::vector<float>(2 * count * pixels);
  std::exception_ptr error;
};

Answer run(InferenceEngine& engine, const std::vector<float>& input) {
  Answer answer;
  MicroBatch batch{DType::f32, map_geometry(height, width, {}), Normalize::none, {}};
  for (std::size_t i = 0; i < count; ++i) {
    batch.images.push_back({reinterpret_cast<const std::byte*>(input.data() + i * pixels), nullptr,
                            reinterpret_cast<std::byte*>(answer.map.data() + i * pixels),
                            answer.logits.data() + 2 * i * pixels});
  }
  engine.launch(batch, [&](std::exception_ptr error) { answer.error = std::move(error); });
  return answer;
}

EngineSettings bytes() {
  EngineSettings settings;
  settings.output = MapFormat::uint8;
  return settings;
}

}  // namespace

TEST_CASE("logits and map are PyTorch's own") {
  const auto input = floats("input.f32", count * pixels);
  const auto wanted = floats("logits.f32", 2 * count * pixels);
  EngineSettings settings = bytes();
  settings.instances = 2;
  for (const auto& engine : make("bright.pt", settings)) {
    const Answer answer = run(*engine, input);
    REQUIRE(!answer.error);
    std::size_t peaks = 0;
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t p = 0; p < pixels; ++p) {
        const float* logits = answer.logits.data() + 2 * i * pixels + p;
        REQUIRE(logits[0] == doctest::Approx(wanted[2 * i * pixels + p]).epsilon(1e-5));
        REQUIRE(logits[pixels] == doctest::Approx(wanted[(2 * i + 1) * pixels + p]).epsilon(1e-5));
        REQUIRE(answer.map[i * pixels + p] == (logits[pixels] > logits[0] ? 1 : 0));
        peaks += answer.map[i * pixels + p];
      }
    }
    CHECK(peaks > 100);
    CHECK(peaks < count * pixels - 100);
  }
}

TEST_CASE("a model may answer in bfloat16") {
  const auto input = floats("input.f32", count * pixels);
  const auto wanted = floats("logits.f32", 2 * count * pixels);
  const Answer answer = run(*make("bright_bf16.pt", bytes()).front(), input);
  REQUIRE(!answer.error);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    REQUIRE(answer.logits[i] == doctest::Approx(wanted[i]).epsilon(0.01));
  }
}

TEST_CASE("a tie goes to the background") {
  const Answer answer = run(*make("tie.pt", bytes()).front(), floats("input.f32", count * pixels));
  REQUIRE(!answer.error);
  for (const std::uint8_t c : answer.map) REQUIRE(c == 0);
}

TEST_CASE("a model that does not fit is refused when it is loaded, with both sides") {
  CHECK_THROWS_WITH_AS(make("three_classes.pt"),
                       doctest::Contains("gives (1, 3, 64, 64), not logits (1, 2, 64, 64)"),
                       RunError);
  CHECK_THROWS_WITH_AS(make("three_classes.pt", padded(32, 48)),
                       doctest::Contains("gives (1, 3, 32, 48), not logits (1, 2, 32, 48)"),
                       RunError);
  CHECK_THROWS_WITH_AS(make("half_size.pt", padded(32, 48)),
                       doctest::Contains("gives (1, 2, 16, 24), not logits (1, 2, 32, 48)"),
                       RunError);
  CHECK_THROWS_WITH_AS(make("tuple.pt"), doctest::Contains("gives a Tuple, not logits"), RunError);
  CHECK_THROWS_WITH_AS(make("colour.pt", padded(32, 48)),
                       doctest::Contains("cannot take an image (1, 1, 32, 48)"), RunError);
}

TEST_CASE(
    "without a padded size, a model that refuses the trial image is tried with the real ones") {
  EngineSettings settings = bytes();
  std::vector<std::string> lines;
  settings.log = [&](const std::string& line) { lines.push_back(line); };
  const auto engines = make("colour.pt", settings);
  CHECK(lines.size() == 1);
  const Answer answer = run(*engines.front(), floats("input.f32", count * pixels));
  CHECK_THROWS_WITH_AS(std::rethrow_exception(answer.error), doctest::Contains("channels"),
                       DataError);
}

TEST_CASE("a model file that is missing or damaged is an error with its name") {
  CHECK_THROWS_WITH_AS(make("absent.pt"), doctest::Contains("absent.pt"), RunError);
  CHECK_THROWS_WITH_AS(make("corrupt.pt"), doctest::Contains("corrupt.pt"), RunError);
  CHECK_THROWS_WITH_AS(make("input.f32"), doctest::Contains("not a TorchScript file"), RunError);
}

#endif
