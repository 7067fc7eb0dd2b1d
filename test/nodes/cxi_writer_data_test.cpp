// What stands in the files.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "test/nodes/cxi_writer_run.h"

namespace pnflow {
namespace {

using namespace test;

TEST_CASE("panels are stacked and their peaks move with them") {
  const ScratchDirectory directory;
  WriterRun run(into(directory, 10));
  Batch batch = images<float>(0, {2, 3, 20, 30});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RaggedTable peaks;
  peaks.offsets = {0, 1, 6};
  peaks.columns["panel"] = filled<std::int32_t>({6}, {2, 0, 1, 0, 3, 0});
  peaks.columns["y"] = filled<double>({6}, {4.5, 1, 19.25, 20, 1, nan});  // the last three: nowhere
  peaks.columns["x"] = filled<double>({6}, {7.25, 0, 29, 3, 1, 1});
  peaks.columns["npix"] = filled<std::int32_t>({6}, {5, 6, 7, 8, 9, 10});
  peaks.columns["total"] = filled<float>({6}, {50, 60, 70, 80, 90, 10});
  peaks.columns["maximum"] = filled<float>({6}, {25, 26, 27, 28, 29, 10});
  peaks.columns["snr"] = filled<float>({6}, {1.5F, 1.6F, 1.7F, 1.8F, 1.9F, 10});
  batch.set("peaks", std::move(peaks));
  batch.set("timestamp", filled<std::uint64_t>({2}, {77, std::uint64_t{1} << 63U}));
  batch.set("photon_energy", filled<double>({2}, {9500.5, nan}));
  batch.set("encoder", filled<double>({2}, {-418.25, nan}));
  std::vector<std::uint8_t> mask(3 * 20 * 30, 0);
  mask[5] = 1;
  batch.set_message_field("mask", filled<std::uint8_t>({3, 20, 30}, mask));
  batch.set_attribute("normalized", true);
  CHECK(run.send(0, batch).empty());
  CHECK(run.send(1, batch).empty());
  run.close();
  CHECK(run.fates(0) == "dd");

  const H5Reader read(directory.path() / "test_00000.cxi");
  CHECK(read.shape(cxi_path::data) == std::vector<hsize_t>{4, 60, 30});
  const auto pixels = read.read<float>(cxi_path::data);
  const auto sent = batch.array("image").as<float>();
  CHECK(std::equal(sent.begin(), sent.end(), pixels.begin()));
  const std::string results = cxi_path::results;
  CHECK(read.read<std::int32_t>(results + "/nPeaks") == std::vector<std::int32_t>{1, 2, 1, 2});
  CHECK(read.read<float>(results + "/peakXPosRaw") ==
        std::vector<float>{7.25F, 0, 0, 29, 7.25F, 0, 0, 29});
  CHECK(read.read<float>(results + "/peakYPosRaw") ==
        std::vector<float>{44.5F, 0, 1, 39.25F, 44.5F, 0, 1, 39.25F});
  CHECK(read.read<std::int32_t>(results + "/peakSegPosRaw") ==
        std::vector<std::int32_t>{2, 0, 0, 1, 2, 0, 0, 1});
  CHECK(read.read<std::uint64_t>(cxi_path::timestamp) == std::vector<std::uint64_t>{77, 0, 77, 0});
  CHECK(read.read<double>(cxi_path::photon_energy) == std::vector<double>{9500.5, 0, 9500.5, 0});
  CHECK(read.read<float>(cxi_path::encoder) == std::vector<float>{-418.25F, 0, -418.25F, 0});
  CHECK(read.read<std::uint8_t>(cxi_path::mask) == mask);
  CHECK(read.integer_attribute(cxi_path::data, "normalized") == 1);
  int warnings = 0;
  for (const auto& line : run.services.lines()) {
    warnings += line.find("0 eV") != std::string::npos || line.find("2^63") != std::string::npos;
  }
  CHECK(warnings == 2);  // one of each, although two messages had both
}

TEST_CASE("pixels keep their type, or become float32 when that is asked for") {
  for (const bool as_float : {false, true}) {
    const ScratchDirectory directory;
    auto params = into(directory, 1);
    params.data_type = as_float ? CxiWriter::Pixels::float32 : CxiWriter::Pixels::raw;
    params.compression = as_float ? "none" : "gzip:6";
    WriterRun run(params);
    run.send(0, images<double>(3, {1, 6, 7}));
    run.close();
    const H5Reader read(directory.path() / "test_00000.cxi");
    if (as_float) {
      CHECK(read.read<float>(cxi_path::data)[41] == 341);
    } else {
      CHECK(read.read<double>(cxi_path::data)[41] == 341);
    }
    CHECK(read.filters(cxi_path::data).size() == (as_float ? 0 : 2));
  }
}

TEST_CASE("images of another shape, type or mask begin another file") {
  const ScratchDirectory directory;
  WriterRun run(into(directory, 100));
  run.send(0, images(0, {1, 6, 7}));
  run.send(1, images(0, {2, 6, 7}));
  run.send(2, images<float>(0, {1, 6, 7}));
  run.send(3, images<float>(0, {1, 2, 6, 7}));
  Batch masked = images<float>(0, {1, 2, 6, 7});
  masked.set_message_field("mask",
                           filled<std::uint8_t>({2, 6, 7}, std::vector<std::uint8_t>(84, 1)));
  run.send(4, masked);
  CHECK(run.fates(0) == "d");
  CHECK(run.fates(3) == "d");
  CHECK_FALSE(run.answered(4));
  run.close();
  CHECK(directory.names() == Names{"test-2.geom", "test-2.lst", "test-2_master.cxi", "test.geom",
                                   "test.json", "test.lst", "test_00000.cxi", "test_00001.cxi",
                                   "test_00002.cxi", "test_00003.cxi", "test_master.cxi"});
  CHECK(H5Reader(directory.path() / "test_00000.cxi").shape(cxi_path::data)[0] == 3);
}

TEST_CASE("segmentation maps are stored without the model's padding") {
  const ScratchDirectory directory;
  for (const bool bits : {false, true}) {
    auto params = into(directory, 1);
    params.save_segmap = params.save_logits = true;
    WriterRun run(params);
    constexpr std::size_t height = 5, width = 70, top = 2, left = 3, map_height = 9, map_width = 80;
    Batch batch = images(0, {1, 2, height, width});
    batch.set_attribute("segmap_height", std::int64_t{map_height});
    batch.set_attribute("segmap_width", std::int64_t{map_width});
    batch.set_attribute("segmap_top", std::int64_t{top});
    batch.set_attribute("segmap_left", std::int64_t{left});
    const auto is_peak = [](std::size_t panel, std::size_t y, std::size_t x) {
      return (panel * 31 + y * 7 + x * 3) % 5 == 0;
    };
    std::vector<std::uint64_t> words(2 * map_height * 2, 0);
    std::vector<std::uint8_t> bytes(2 * map_height * map_width, 0), expected;
    std::vector<float> logits(2 * 2 * map_height * map_width, 0), low, high;
    for (std::size_t panel = 0; panel < 2; ++panel) {
      for (std::size_t y = 0; y < map_height; ++y) {
        for (std::size_t x = 0; x < map_width; ++x) {
          const bool peak = is_peak(panel, y, x);
          const std::size_t row = panel * map_height + y;
          bytes[row * map_width + x] = peak;
          words[row * 2 + x / 64] |= static_cast<std::uint64_t>(peak) << (x % 64);
          const std::size_t plane = map_height * map_width, pixel = y * map_width + x;
          logits[panel * 2 * plane + pixel] = -static_cast<float>(row * 100 + x);
          logits[(panel * 2 + 1) * plane + pixel] = static_cast<float>(row * 100 + x);
          if (y >= top && y < top + height && x >= left && x < left + width) {
            expected.push_back(peak);
            low.push_back(-static_cast<float>(row * 100 + x));
            high.push_back(static_cast<float>(row * 100 + x));
          }
        }
      }
    }
    if (bits) {
      batch.set("segmap", filled<std::uint64_t>({1, 2, map_height, 2}, words));
    } else {
      batch.set("segmap", filled<std::uint8_t>({1, 2, map_height, map_width}, bytes));
    }
    batch.set("logits", filled<float>({1, 2, 2, map_height, map_width}, logits));
    CHECK(run.send(0, batch).empty());
    run.close();
    const auto path = directory.path() / (bits ? "test-test_00000.cxi" : "test_00000.cxi");
    const H5Reader read(path);
    CHECK(read.read<std::uint8_t>("/entry_1/result_1/segmentation_map") == expected);
    CHECK(read.read<float>("/entry_1/result_1/logit_map_class0") == low);
    CHECK(read.read<float>("/entry_1/result_1/logit_map_class1") == high);
  }
}

TEST_CASE("of a crop the rest of a stored map is empty, and the rest of the logits no number") {
  const ScratchDirectory directory;
  auto params = into(directory, 1);
  params.save_segmap = params.save_logits = true;
  WriterRun run(params);
  Batch batch = images(0, {1, 1, 4, 5});
  batch.set_attribute("segmap_height", std::int64_t{2});
  batch.set_attribute("segmap_width", std::int64_t{3});
  batch.set_attribute("crop_height", std::int64_t{2});
  batch.set_attribute("crop_width", std::int64_t{3});
  batch.set_attribute("crop_top", std::int64_t{1});
  batch.set_attribute("crop_left", std::int64_t{2});
  batch.set("segmap", filled<std::uint64_t>({1, 1, 2, 1}, {0b101, 0b010}));
  batch.set("logits", filled<float>({1, 1, 2, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  CHECK(run.send(0, batch).empty());
  run.close();
  const H5Reader read(directory.path() / "test_00000.cxi");
  CHECK(read.read<std::uint8_t>("/entry_1/result_1/segmentation_map") ==
        std::vector<std::uint8_t>{0, 0, 0, 0, 0,  //
                                  0, 0, 1, 0, 1,  //
                                  0, 0, 0, 1, 0,  //
                                  0, 0, 0, 0, 0});
  const auto logits = read.read<float>("/entry_1/result_1/logit_map_class1");
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::size_t y = i / 5;
    const std::size_t x = i % 5;
    if (y < 1 || y > 2 || x < 2) {
      CHECK(std::isnan(logits[i]));
    } else {
      CHECK(logits[i] == static_cast<float>(6 + (y - 1) * 3 + x - 2));
    }
  }
}

TEST_CASE("fields that do not fit are named") {
  const ScratchDirectory directory;
  auto params = into(directory, 1);
  params.save_segmap = true;
  WriterRun run(params);
  const auto prepare = [&](const Batch& batch) {
    Context context(batch.events());
    (void)run.writer().prepare(batch, context);
  };
  CHECK_THROWS_WITH_AS(prepare(Batch(1)), doctest::Contains("image"), DataError);
  CHECK_THROWS_WITH_AS(prepare(images(0, {2, 4})), doctest::Contains("image"), DataError);
  CHECK_THROWS_WITH_AS(prepare(images(0, {1, 4, 4})), doctest::Contains("segmap"), DataError);
  Batch batch = images(0, {1, 4, 4});
  batch.set("segmap", filled<std::uint8_t>({1, 4, 5}, std::vector<std::uint8_t>(20)));
  CHECK_THROWS_WITH_AS(prepare(batch), doctest::Contains("segmap"), DataError);
  batch.set_attribute("segmap_width", std::int64_t{3});
  CHECK_THROWS_WITH_AS(prepare(batch), doctest::Contains("4x3"), DataError);
  batch.set_message_field("mask", filled<std::uint8_t>({4}, {0, 0, 0, 0}));
  CHECK_THROWS_WITH_AS(prepare(batch), doctest::Contains("mask"), DataError);
}

}  // namespace
}  // namespace pnflow
