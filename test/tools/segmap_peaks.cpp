// Runs the node find_peaks on one segmentation map and prints the peaks in full precision, so that
// a test can compare them with those of another program.
//
//   pnflow_segmap_peaks FORM CONNECTIVITY MAP_H MAP_W TOP LEFT IMAGE_H IMAGE_W [OPTION...]
//
// FORM is "bytes" or "bits". Options: panels=N (1), radius=N, split=DEPTH,
// position=intensity|center_of_mass, mask. Input: for each
// panel the map, MAP_H * MAP_W bytes; then the images, IMAGE_H * IMAGE_W float32 each; with option
// mask then as many bytes, nonzero = bad. Output: for each peak thirteen float64, panel y x npix
// total maximum background sigma snr and the bounding box y0 x0 y1 x1. Exit status 2 for bad
// arguments or input.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/error.h"
#include "nodes/find_peaks.h"

namespace {

using namespace pnflow;

template <class T>
std::vector<T> read(std::size_t count) {
  std::vector<T> values(count);
  if (std::fread(values.data(), sizeof(T), count, stdin) != count) {
    throw RunError("the input is too short");
  }
  return values;
}

// The rows of any number of panels.
std::vector<std::uint64_t> pack(const std::vector<std::uint8_t>& map, std::size_t width) {
  const std::size_t words = words_per_row(width);
  std::vector<std::uint64_t> out(width == 0 ? 0 : map.size() / width * words);
  for (std::size_t i = 0; i < map.size(); ++i) {
    const std::size_t x = i % width;
    if (map[i] != 0) out[i / width * words + x / 64] |= std::uint64_t{1} << (x % 64);
  }
  return out;
}

void print(const RaggedTable& peaks) {
  const auto panel = peaks.column("panel").as<std::int32_t>();
  const auto y = peaks.column("y").as<double>();
  const auto x = peaks.column("x").as<double>();
  const auto npix = peaks.column("npix").as<std::int32_t>();
  const auto box = peaks.column("bbox").as<std::int32_t>();
  std::vector<std::span<const float>> floats;
  for (const char* name : {"total", "maximum", "background", "sigma", "snr"}) {
    floats.push_back(peaks.column(name).as<float>());
  }
  std::vector<double> out;
  out.reserve(peaks.rows() * 13);
  for (std::size_t i = 0; i < peaks.rows(); ++i) {
    out.insert(out.end(),
               {static_cast<double>(panel[i]), y[i], x[i], static_cast<double>(npix[i])});
    for (const auto& column : floats) out.push_back(column[i]);
    for (const std::int32_t edge : box.subspan(4 * i, 4)) out.push_back(edge);
  }
  if (!out.empty() && std::fwrite(out.data(), sizeof(double), out.size(), stdout) != out.size()) {
    throw RunError("cannot write the peaks");
  }
}

struct Options {
  std::size_t panels = 1;
  bool masked = false;
  FindPeaks::Params params;

  Options() {
    params.min_num_peak = 0;
    params.max_num_peak = std::numeric_limits<int>::max();
  }

  void read(const std::string& option) {
    const std::string value = option.substr(std::min(option.find('=') + 1, option.size()));
    if (option.starts_with("panels=")) {
      panels = std::stoul(value);
    } else if (option.starts_with("radius=")) {
      params.background_radius = std::stoi(value);
    } else if (option.starts_with("split=")) {
      params.split = true;
      params.split_depth = std::stod(value);
    } else if (option.starts_with("position=")) {
      params.position =
          value == "intensity" ? PeakPosition::intensity : PeakPosition::center_of_mass;
    } else if (option == "mask") {
      masked = true;
    } else {
      throw RunError("no such option: " + option);
    }
  }
};

void run(std::string_view form, const std::array<std::size_t, 6>& sizes, const Options& options) {
  const auto [map_height, map_width, top, left, height, width] = sizes;
  const std::size_t panels = options.panels;
  const auto map = read<std::uint8_t>(panels * map_height * map_width);
  const auto image = read<float>(panels * height * width);

  Batch batch(1);
  MemoryPool& pool = *heap_pool();
  batch.set("image", array_of(pool, image).reshaped({1, panels, height, width}));
  if (form == "bits") {
    batch.set("segmap", array_of(pool, pack(map, map_width))
                            .reshaped({1, panels, map_height, words_per_row(map_width)}));
  } else {
    batch.set("segmap", array_of(pool, map).reshaped({1, panels, map_height, map_width}));
  }
  if (options.masked) {
    const auto mask = read<std::uint8_t>(panels * height * width);
    batch.set_message_field("mask", array_of(pool, mask).reshaped({panels, height, width}));
  }
  batch.set_attribute("segmap_height", static_cast<std::int64_t>(map_height));
  batch.set_attribute("segmap_width", static_cast<std::int64_t>(map_width));
  batch.set_attribute("segmap_top", static_cast<std::int64_t>(top));
  batch.set_attribute("segmap_left", static_cast<std::int64_t>(left));

  Context context(1);
  print(FindPeaks(options.params).process(batch, context).table("peaks"));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 8 || (arguments[0] != "bytes" && arguments[0] != "bits") ||
      (arguments[1] != "4" && arguments[1] != "8")) {
    fmt::print(stderr,
               "usage: pnflow_segmap_peaks bytes|bits 4|8 MAP_H MAP_W TOP LEFT H W [OPTION...]\n");
    return 2;
  }
  try {
    std::array<std::size_t, 6> sizes{};
    for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = std::stoul(arguments[i + 2]);
    Options options;
    options.params.connectivity = arguments[1] == "4" ? Connectivity::four : Connectivity::eight;
    for (const std::string& option : std::span(arguments).subspan(8)) options.read(option);
    run(arguments[0], sizes, options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pnflow_segmap_peaks: {}\n", error.what());
    return 2;
  }
  return 0;
}
