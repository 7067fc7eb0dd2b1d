#include "nodes/find_peaks.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "graph/error.h"
#include "segmap_helpers.h"

namespace pnflow {
namespace {

using test::make_array;
using test::TestMap;

// Keeps the counts of the node.
class CountingServices : public NodeServices {
 public:
  void count(std::string_view counter, std::uint64_t n) override {
    counts[std::string(counter)] += n;
  }
  bool aborting() const override { return abort; }
  std::map<std::string, std::uint64_t> counts;
  bool abort = false;
};

struct Result {
  Batch batch;
  EventStates states;
  std::map<std::string, std::uint64_t> counts;

  const RaggedTable& peaks() const { return batch.table("peaks"); }
  std::uint64_t counted(const std::string& name) const {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
  }
  std::vector<double> y() const { return column<double>("y"); }
  std::vector<double> x() const { return column<double>("x"); }
  template <class T>
  std::vector<T> column(const char* name) const {
    const auto values = peaks().column(name).template as<T>();
    return {values.begin(), values.end()};
  }
};

Result run(const Batch& batch, FindPeaks::Params params, EventStates states = {}) {
  CountingServices services;
  if (states.empty()) states.resize(batch.events());
  Context context(services, "source", 0, std::make_shared<const EventStates>(std::move(states)));
  Result result;
  result.batch = FindPeaks(params).process(batch, context);
  result.states = *context.states();
  result.counts = services.counts;
  return result;
}

FindPeaks::Params all_peaks() {
  FindPeaks::Params params;
  params.min_num_peak = 0;
  return params;
}

// One event for each map, as bytes or as bits; the image is 1 where the map is set.
Batch batch_of(const std::vector<TestMap>& maps, bool bits = false) {
  const std::size_t events = maps.size();
  const std::size_t height = maps[0].height;
  const std::size_t width = maps[0].width;
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint64_t> words;
  std::vector<float> image;
  for (const TestMap& map : maps) {
    bytes.insert(bytes.end(), map.pixels.begin(), map.pixels.end());
    const auto row_bits = map.bits(true);
    words.insert(words.end(), row_bits.begin(), row_bits.end());
    for (const auto pixel : map.pixels) image.push_back(pixel != 0 ? 1.0F : 0.0F);
  }
  Batch batch(events);
  batch.set("image", make_array<float>({events, height, width}, image));
  if (bits) {
    batch.set("segmap", make_array({events, height, (width + 63) / 64}, words));
  } else {
    batch.set("segmap", make_array({events, height, width}, bytes));
  }
  return batch;
}

const TestMap three_peaks({"#......", ".......", "...##..", "...##.#", "......."});

TEST_CASE("peaks come out in label order with centre, size and bounding box") {
  const Result result = run(batch_of({three_peaks}), all_peaks());
  CHECK(result.y() == std::vector{0.0, 2.5, 3.0});
  CHECK(result.x() == std::vector{0.0, 3.5, 6.0});
  CHECK(result.column<std::int32_t>("npix") == std::vector{1, 4, 1});
  CHECK(result.column<std::int32_t>("bbox") == std::vector{0, 0, 0, 0, 2, 3, 3, 4, 3, 6, 3, 6});
  CHECK(result.column<float>("total") == std::vector{1.0F, 4.0F, 1.0F});
  CHECK(result.counted("peaks_found") == 3);
  CHECK(result.batch.has("segmap"));
  CHECK(result.batch.has("image"));
}

TEST_CASE("a map of bits gives what the same map of bytes gives") {
  std::mt19937 random(5);
  for (const std::size_t width : {1, 7, 63, 64, 65, 128, 130}) {
    std::vector<TestMap> maps;
    for (const double density : {0.0, 0.1, 0.5, 1.0}) {
      maps.push_back(test::random_map(random, 20, width, density));
    }
    for (const Connectivity connectivity : {Connectivity::four, Connectivity::eight}) {
      FindPeaks::Params params = all_peaks();
      params.connectivity = connectivity;
      const Result bytes = run(batch_of(maps), params);
      const Result bits = run(batch_of(maps, true), params);
      REQUIRE(bytes.peaks().rows() > 0);
      REQUIRE(bytes.peaks().offsets == bits.peaks().offsets);
      for (const auto& [name, column] : bytes.peaks().columns) {
        const auto a = column.raw();
        const auto b = bits.peaks().column(name).raw();
        CHECK(std::vector(a.begin(), a.end()) == std::vector(b.begin(), b.end()));
      }
    }
  }
}

TEST_CASE("panels are labelled apart and come one after the other") {
  // The pixel at the last row of panel 0 and the one at the first row of panel 1 do not touch.
  const TestMap first({"...", "...", ".#."});
  const TestMap second({".#.", "...", "#.."});
  std::vector<std::uint8_t> maps = first.pixels;
  maps.insert(maps.end(), second.pixels.begin(), second.pixels.end());
  Batch batch(1);
  batch.set("segmap", make_array<std::uint8_t>({1, 2, 3, 3}, maps));
  std::vector<std::uint16_t> image(18, 7);
  image[7] = 107;
  image[9 + 6] = 207;
  batch.set("image", make_array<std::uint16_t>({1, 2, 3, 3}, image));
  const Result result = run(batch, all_peaks());
  CHECK(result.column<std::int32_t>("panel") == std::vector{0, 1, 1});
  CHECK(result.y() == std::vector{2.0, 0.0, 2.0});
  CHECK(result.x() == std::vector{1.0, 1.0, 0.0});
  CHECK(result.column<float>("maximum") == std::vector{107.0F, 7.0F, 207.0F});
}

TEST_CASE("positions are those of the image, and what lies in the padding is dropped and counted") {
  //                    01234567
  const TestMap padded({"#.......",    // in the padding
                        "........",    //
                        "..##....",    // (0, 0), (0, 1) of the image
                        ".##.....",    // crosses the edge: columns -1 and 0
                        "......#.",    // right of the image
                        "....#..."});  // below it
  for (const bool bits : {false, true}) {
    Batch batch(1);
    batch.set("image", make_array<float>({1, 3, 4}, std::vector<float>(12, 1.0F)));
    if (bits) {
      batch.set("segmap", make_array({1, 6, 1}, padded.bits(true)));
    } else {
      batch.set("segmap", make_array({1, 6, 8}, padded.pixels));
    }
    batch.set_attribute("segmap_height", std::int64_t{6});
    batch.set_attribute("segmap_width", std::int64_t{8});
    batch.set_attribute("segmap_top", std::int64_t{2});
    batch.set_attribute("segmap_left", std::int64_t{2});
    const Result result = run(batch, all_peaks());
    CHECK(result.y() == std::vector{0.5});
    CHECK(result.x() == std::vector{0.0});
    CHECK(result.column<std::int32_t>("npix") == std::vector{4});
    CHECK(result.column<std::int32_t>("bbox") == std::vector{0, 0, 1, 1});
    CHECK(result.counted("peaks_in_padding") == 3);
    CHECK(result.counted("peaks_found") == 1);
  }
}

TEST_CASE(
    "a position half a pixel before the first pixel is in the image, half after the last not") {
  TestMap map(6, 1);
  map.at(1, 0) = map.at(2, 0) = 1;  // centre 1.5: -0.5 of an image that starts at row 2
  map.at(4, 0) = map.at(5, 0) = 1;  // centre 4.5: 2.5 of an image of 3 rows
  Batch batch(1);
  batch.set("image", make_array<float>({1, 3, 1}, {1, 2, 3}));
  batch.set("segmap", make_array({1, 6, 1}, map.pixels));
  batch.set_attribute("segmap_height", std::int64_t{6});
  batch.set_attribute("segmap_width", std::int64_t{1});
  batch.set_attribute("segmap_top", std::int64_t{2});
  const Result result = run(batch, all_peaks());
  CHECK(result.y() == std::vector{-0.5});
  CHECK(result.counted("peaks_in_padding") == 1);
}

TEST_CASE("peaks of a crop lie where they are in the image, and are measured on the crop alone") {
  const TestMap map({".....",    // a map with padding: the crop of 2x3 lies at row 1, column 1
                     "..#..",    //
                     "..##.",    //
                     "....."});  //
  std::vector<float> pixels(2 * 6 * 7, 1000.0F);
  for (std::size_t y = 3; y < 5; ++y) {
    for (std::size_t x = 2; x < 5; ++x) pixels[6 * 7 + y * 7 + x] = 10;
  }
  pixels[6 * 7 + 3 * 7 + 3] = 50;
  Batch batch(1);
  batch.set("image", make_array<float>({1, 2, 6, 7}, pixels));
  std::vector<std::uint8_t> maps(2 * 4 * 5);
  std::ranges::copy(map.pixels, maps.begin() + 4 * 5);
  batch.set("segmap", make_array({1, 2, 4, 5}, maps));
  const auto say = [&](const char* name, std::int64_t value) { batch.set_attribute(name, value); };
  say("segmap_height", 4);
  say("segmap_width", 5);
  say("segmap_top", 1);
  say("segmap_left", 1);
  say("crop_height", 2);
  say("crop_width", 3);
  say("crop_top", 3);
  say("crop_left", 2);
  const Result result = run(batch, all_peaks());
  CHECK(result.column<std::int32_t>("panel") == std::vector{1});
  CHECK(result.y()[0] == doctest::Approx(3 + 2.0 / 3));
  CHECK(result.x()[0] == doctest::Approx(3 + 1.0 / 3));
  CHECK(result.column<std::int32_t>("bbox") == std::vector{3, 3, 4, 4});
  CHECK(result.column<float>("maximum") == std::vector{50.0F});
  CHECK(result.column<float>("background") == std::vector{10.0F});
  CHECK(result.column<float>("total") == std::vector{40.0F});
  FindPeaks::Params weighted = all_peaks();
  weighted.position = PeakPosition::intensity;
  CHECK(run(batch, weighted).y() == std::vector{3.0});
  CHECK(run(batch, weighted).x() == std::vector{3.0});
}

TEST_CASE("an event with too few peaks is vetoed and has no rows") {
  const Batch batch = batch_of({three_peaks, TestMap(5, 7), three_peaks});
  FindPeaks::Params params;
  params.min_num_peak = 3;
  const Result result = run(batch, params);
  CHECK(result.peaks().offsets == std::vector<std::size_t>{0, 3, 3, 6});
  CHECK(result.states[0].fate == Fate::alive);
  CHECK(result.states[1].fate == Fate::vetoed);
  CHECK(result.states[1].reason == "few peaks");
  CHECK(result.states[2].fate == Fate::alive);

  params.min_num_peak = 4;
  const Result none = run(batch, params);
  CHECK(none.peaks().rows() == 0);
  CHECK(none.states[0].fate == Fate::vetoed);
}

TEST_CASE("events that are not alive have no rows, are not counted and keep their fate") {
  EventStates states(3);
  states[0] = {Fate::failed, "damaged"};
  states[2] = {Fate::vetoed, "somebody else"};
  const Result result = run(batch_of({three_peaks, three_peaks, three_peaks}), all_peaks(), states);
  CHECK(result.peaks().offsets == std::vector<std::size_t>{0, 0, 3, 3});
  CHECK(result.states[0].reason == "damaged");
  CHECK(result.states[2].reason == "somebody else");
  CHECK(result.counted("peaks_found") == 3);
}

TEST_CASE("a run that is aborted gets an answer at once, and no veto") {
  CountingServices services;
  services.abort = true;
  Context context(services, "source", 0, std::make_shared<const EventStates>(2));
  const Batch out = FindPeaks({}).process(batch_of({three_peaks, three_peaks}), context);
  CHECK(out.table("peaks").offsets == std::vector<std::size_t>{0, 0, 0});
  CHECK(context.alive_count() == 2);
}

TEST_CASE("the strongest peaks of all panels are kept, in label order, and the rest counted") {
  std::vector<std::uint8_t> maps(2 * 25, 0);
  std::vector<float> image(2 * 25, 0.0F);
  const auto put = [&](std::size_t panel, std::size_t y, std::size_t x, float value) {
    maps[panel * 25 + y * 5 + x] = 1;
    image[panel * 25 + y * 5 + x] = value;
  };
  put(0, 0, 0, 10);
  put(0, 2, 2, 40);
  put(0, 4, 4, 20);
  put(1, 0, 4, 30);
  put(1, 4, 0, 50);
  Batch batch(1);
  batch.set("segmap", make_array({1, 2, 5, 5}, maps));
  batch.set("image", make_array({1, 2, 5, 5}, image));
  FindPeaks::Params params = all_peaks();
  params.max_num_peak = 3;
  params.min_num_peak = 5;  // counts what was found, not what was kept
  const Result result = run(batch, params);
  CHECK(result.states[0].fate == Fate::alive);
  CHECK(result.column<float>("maximum") == std::vector{40.0F, 30.0F, 50.0F});
  CHECK(result.column<std::int32_t>("panel") == std::vector{0, 1, 1});
  CHECK(result.counted("peaks_found") == 5);
  CHECK(result.counted("peaks_cut") == 2);
}

TEST_CASE("filters drop peaks by size and SNR, each counted, before the veto") {
  const TestMap map({"#......", ".......", "...##..", "...##..", ".......", "#..###."});
  FindPeaks::Params params = all_peaks();
  params.min_pixels = 2;
  params.max_pixels = 3;
  Result result = run(batch_of({map}), params);
  CHECK(result.column<std::int32_t>("npix") == std::vector{3});
  CHECK(result.counted("peaks_too_small") == 2);
  CHECK(result.counted("peaks_too_large") == 1);

  params.min_num_peak = 2;
  result = run(batch_of({map}), params);
  CHECK(result.states[0].fate == Fate::vetoed);

  params = all_peaks();
  params.min_snr = 1e-3;  // the background is flat, so every SNR is 0
  result = run(batch_of({map}), params);
  CHECK(result.peaks().rows() == 0);
  CHECK(result.counted("peaks_too_weak") == 4);

  params = all_peaks();
  params.min_intensity = 3;  // each pixel has 1
  result = run(batch_of({map}), params);
  CHECK(result.column<std::int32_t>("npix") == std::vector{4, 3});
  CHECK(result.counted("peaks_too_faint") == 2);
}

TEST_CASE("merged spots become peaks of their own, which the filters see one by one") {
  TestMap map({".........", ".#####...", ".........", "........#"});
  Batch batch = batch_of({map});
  const std::vector<float> image{0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                 0, 6, 9, 1, 8, 1, 0, 0, 0,  //
                                 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                 0, 0, 0, 0, 0, 0, 0, 0, 5};
  batch.set("image", make_array<float>({1, 4, 9}, image));
  FindPeaks::Params params = all_peaks();
  CHECK(run(batch, params).peaks().rows() == 2);

  params.split = true;
  Result result = run(batch, params);
  CHECK(result.y() == std::vector{1.0, 1.0, 3.0});
  CHECK(result.x() == std::vector{2.0, 4.5, 8.0});
  CHECK(result.column<std::int32_t>("npix") == std::vector{3, 2, 1});
  CHECK(result.column<float>("total") == std::vector{16.0F, 9.0F, 5.0F});
  CHECK(result.counted("peaks_found") == 3);
  CHECK(result.counted("peaks_from_splits") == 1);

  params.max_pixels = 2;
  params.min_intensity = 8;
  result = run(batch, params);
  CHECK(result.x() == std::vector{4.5});
  CHECK(result.counted("peaks_too_large") == 1);
  CHECK(result.counted("peaks_too_faint") == 1);

  params = all_peaks();
  params.split = true;
  params.split_depth = 0.9;
  CHECK(run(batch, params).peaks().rows() == 2);
}

TEST_CASE("with intensity positions the raw pixels above the background are the weights") {
  const TestMap map({".....", ".###.", "....."});
  Batch batch(1);
  batch.set("segmap", make_array({1, 3, 5}, map.pixels));
  std::vector<std::int16_t> image(15, 10);
  image[6] = 20;
  image[7] = 10;
  image[8] = 40;
  batch.set("image", make_array({1, 3, 5}, image));
  FindPeaks::Params params = all_peaks();
  params.position = PeakPosition::intensity;
  Result result = run(batch, params);
  CHECK(result.x()[0] == doctest::Approx((10.0 * 1 + 30.0 * 3) / 40));
  CHECK(result.y()[0] == doctest::Approx(1));

  // Nothing above the background: the mean of the indices.
  image[6] = image[8] = 5;
  batch.set("image", make_array({1, 3, 5}, image));
  result = run(batch, params);
  CHECK(result.x()[0] == 2.0);
}

TEST_CASE("masked and non-finite pixels do not count, for one panel or for several") {
  const TestMap map({"...", ".##", "..."});
  Batch batch(2);
  std::vector<std::uint8_t> maps = map.pixels;
  maps.insert(maps.end(), map.pixels.begin(), map.pixels.end());
  std::vector<float> image(18, 1.0F);
  image[4] = 5;
  image[5] = 900;
  image[9 + 4] = NAN;
  image[9 + 5] = 800;
  std::vector<std::uint8_t> mask(9, 0);
  mask[5] = 1;
  batch.set("segmap", make_array({2, 3, 3}, maps));
  batch.set("image", make_array({2, 3, 3}, image));
  batch.set_message_field("mask", make_array({3, 3}, mask));
  Result result = run(batch, all_peaks());
  CHECK(result.column<float>("maximum") == std::vector{5.0F, 0.0F});
  CHECK(result.column<float>("total") == std::vector{4.0F, 0.0F});
  CHECK(result.column<std::int32_t>("npix") == std::vector{2, 2});

  // The same pixels as two panels of one event: the mask has panels, too.
  Batch panels(1);
  panels.set("segmap", make_array({1, 2, 3, 3}, maps));
  panels.set("image", make_array({1, 2, 3, 3}, image));
  mask.resize(18, 0);
  panels.set_message_field("mask", make_array({2, 3, 3}, mask));
  result = run(panels, all_peaks());
  CHECK(result.column<float>("maximum") == std::vector{5.0F, 800.0F});
}

std::string reason_of(const Batch& batch) {
  try {
    run(batch, all_peaks());
  } catch (const DataError& error) {
    return error.reason();
  }
  return "none";
}

TEST_CASE("fields that do not fit each other are refused by name") {
  const Batch good = batch_of({three_peaks});
  CHECK(reason_of(good) == "none");

  CHECK(reason_of(Batch(good).drop("image")) == "missing field");
  CHECK(reason_of(Batch(good).drop("segmap")) == "missing field");
  CHECK(reason_of(Batch(good).set(
            "segmap", make_array<float>({1, 5, 7}, std::vector<float>(35)))) == "wrong dtype");

  const auto map = [](const Shape& shape) {
    return make_array(shape, std::vector<std::uint8_t>(elements_of(shape)));
  };
  for (const Shape& shape : {Shape{1, 7, 5}, Shape{1, 5, 8}, Shape{1, 1, 5, 7}, Shape{1, 35}}) {
    CAPTURE(to_string(shape));
    CHECK(reason_of(Batch(good).set("segmap", map(shape))) == "wrong shape");
  }
  CHECK(reason_of(Batch(good).set(
            "segmap", make_array({1, 5, 2}, std::vector<std::uint64_t>(10)))) == "wrong shape");
  CHECK(reason_of(Batch(good).set_message_field("mask", map({7, 5}))) == "wrong shape");
  CHECK(reason_of(Batch(good).set_message_field("mask", map({2, 5, 7}))) == "wrong shape");
  CHECK(reason_of(Batch(good).set_message_field("mask", map({1, 5, 7}))) == "none");
  CHECK(reason_of(Batch(good).set_attribute("segmap_top", std::int64_t{1})) == "wrong shape");
  CHECK(reason_of(Batch(good).set_attribute("segmap_left", std::int64_t{-1})) == "wrong shape");
  CHECK(reason_of(Batch(good).set_attribute("crop_top", std::int64_t{1})) == "wrong shape");
  CHECK(reason_of(Batch(good).set_attribute("crop_height", std::int64_t{6})) == "wrong shape");
  CHECK(reason_of(Batch(good).set_attribute("segmap_width", 7.0)) == "wrong shape");

  try {
    run(Batch(good).set("segmap", map({1, 7, 5})), all_peaks());
    FAIL("accepted");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()) ==
          "wrong shape: 'segmap' is 1x7x5 (uint8); for images of 1x5x7 it must be 1x5x7");
  }
}

TEST_CASE("images of one pixel, one row and one column have their peaks") {
  for (const auto& [height, width] :
       std::vector<std::pair<std::size_t, std::size_t>>{{1, 1}, {1, 9}, {9, 1}, {1, 64}, {1, 65}}) {
    const TestMap map(height, width, 1);
    const Result result = run(batch_of({map}), all_peaks());
    CHECK(result.y() == std::vector{0.5 * static_cast<double>(height - 1)});
    CHECK(result.x() == std::vector{0.5 * static_cast<double>(width - 1)});
  }
}

TEST_CASE("events without pixels, and messages without events, have no peaks") {
  Batch empty(1);
  empty.set("segmap", make_array<std::uint8_t>({1, 0, 4}, {}));
  empty.set("image", make_array<float>({1, 0, 4}, {}));
  CHECK(run(empty, all_peaks()).peaks().rows() == 0);

  Batch none(0);
  none.set("segmap", make_array<std::uint8_t>({0, 3, 4}, {}));
  none.set("image", make_array<float>({0, 3, 4}, {}));
  CHECK(run(none, all_peaks()).peaks().events() == 0);
}

}  // namespace
}  // namespace pnflow
