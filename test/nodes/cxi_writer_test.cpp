#include "nodes/cxi_writer.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "test/support/file_size_limit.h"
#include "test/support/read_h5.h"
#include "test/support/scratch_directory.h"

namespace pnflow {
namespace {

using test::FakeOpen;
using test::FakeServices;
using test::H5Reader;
using test::ScratchDirectory;

template <class T>
Array filled(Shape shape, std::vector<T> values) {
  return array_of(*heap_pool(), values).reshaped(std::move(shape));
}

// Events whose pixels say which they are: event e has value e * 100 + position % 50.
template <class T = std::uint16_t>
Batch images(std::size_t first, Shape shape) {
  std::vector<T> pixels(elements_of(shape));
  const std::size_t per_event = pixels.size() / shape[0];
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<T>((first + i / per_event) * 100 + i % per_event % 50);
  }
  const std::size_t events = shape[0];
  return Batch(events).set("image", filled(std::move(shape), std::move(pixels)));
}

// Files are closed on a thread of the writer's own.
bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 2000 && !holds(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return holds();
}

// A writer in a run of its own; keeps the fates of the messages that were answered.
class Run {
 public:
  explicit Run(CxiWriter::Params params, OnError policy = OnError::skip)
      : writer_(std::move(params)) {
    FakeOpen open(services);
    open.policy = policy;
    writer_.open(open);
  }

  // Returns what write() threw, or nothing.
  std::string send(int message, const Batch& batch, const std::vector<std::size_t>& dead = {}) {
    auto states = std::make_shared<EventStates>(batch.events());
    for (const std::size_t event : dead) (*states)[event] = {Fate::vetoed, "no peaks"};
    Context context(services, "test", static_cast<std::uint64_t>(message), states);
    auto prepared = writer_.prepare(batch, context);
    Delivery delivery(*context.states(), [this, message](EventStates fates) {
      const std::lock_guard lock(mutex_);
      CHECK(fates_.emplace(message, std::move(fates)).second);
    });
    try {
      writer_.write(std::move(prepared), std::move(delivery));
    } catch (const DataError& error) {
      CHECK(error.reason() == "write");
      return error.what();
    }
    return {};
  }
  void close() { writer_.close(); }
  CxiWriter& writer() { return writer_; }

  bool answered(int message) const {
    const std::lock_guard lock(mutex_);
    return fates_.contains(message);
  }
  // One letter per event: d(elivered), v(etoed), f(ailed) with "write", ? anything else. Waits for
  // the message's answer.
  std::string fates(int message) const {
    REQUIRE(eventually([&] { return answered(message); }));
    const std::lock_guard lock(mutex_);
    std::string letters;
    for (const EventState& state : fates_.at(message)) {
      switch (state.fate) {
        case Fate::delivered: letters += 'd'; break;
        case Fate::vetoed: letters += 'v'; break;
        case Fate::failed: letters += state.reason == "write" ? 'f' : '?'; break;
        default: letters += '?';
      }
    }
    return letters;
  }

  FakeServices services;

 private:
  mutable std::mutex mutex_;
  std::map<int, EventStates> fates_;
  CxiWriter writer_;
};

CxiWriter::Params into(const ScratchDirectory& directory, int events_per_file) {
  CxiWriter::Params params;
  params.directory = directory.path();
  params.events_per_file = events_per_file;
  return params;
}

using Names = std::vector<std::string>;

TEST_CASE("events are delivered when their file has its name, and not before") {
  const ScratchDirectory directory;
  Run run(into(directory, 4));
  CHECK(directory.names().empty());
  run.send(0, images(0, {3, 8, 10}));
  CHECK_FALSE(run.answered(0));
  CHECK(directory.names() == Names{"test.json", "test_00000.cxi.partial"});
  run.send(1, images(3, {3, 8, 10}), {2});  // its last event is not alive
  CHECK(run.fates(0) == "ddd");
  CHECK_FALSE(run.answered(1));  // event 4 is in the second file
  CHECK(eventually([&] {
    return directory.names() == Names{"test.geom",
                                      "test.json",
                                      "test.lst",
                                      "test_00000.cxi",
                                      "test_00001.cxi.partial",
                                      "test_master.cxi"};
  }));
  run.close();
  CHECK(run.fates(1) == "ddv");
  CHECK(directory.names() == Names{"test.geom", "test.json", "test.lst", "test_00000.cxi",
                                   "test_00001.cxi", "test_master.cxi"});
  const H5Reader first(directory.path() / "test_00000.cxi"),
      second(directory.path() / "test_00001.cxi");
  CHECK(first.shape(cxi_path::data) == std::vector<hsize_t>{4, 8, 10});
  CHECK(second.shape(cxi_path::data) == std::vector<hsize_t>{1, 8, 10});
  CHECK(first.read<std::uint16_t>(cxi_path::data)[3 * 80] == 300);
  CHECK(second.read<std::uint16_t>(cxi_path::data)[0] == 400);
  std::ifstream list(directory.path() / "test.lst");
  CHECK(std::string(std::istreambuf_iterator<char>(list), {}) ==
        (directory.path() / "test_00000.cxi").string() + "\n" +
            (directory.path() / "test_00001.cxi").string() + "\n");
  const auto json = nlohmann::json::parse(std::ifstream(directory.path() / "test.json"));
  CHECK(json["run"] == "test");
  CHECK(json["pnflow"] == PNFLOW_VERSION);
}

TEST_CASE("a run without events leaves no file") {
  const ScratchDirectory directory;
  auto params = into(directory, 4);
  params.directory = directory.path() / "a" / "b";
  Run run(params);
  run.close();
  CHECK(directory.names() == Names{"a"});
  CHECK(std::filesystem::is_empty(directory.path() / "a" / "b"));
}

TEST_CASE("a message over several files is answered with the last of them") {
  const ScratchDirectory directory;
  Run run(into(directory, 2));
  run.send(0, images(0, {5, 4, 4}));
  CHECK_FALSE(run.answered(0));
  run.close();
  CHECK(run.fates(0) == "ddddd");
}

TEST_CASE("a writer that is never closed delivers nothing of its open file") {
  const ScratchDirectory directory;
  std::string reason;
  {
    CxiWriter writer(into(directory, 10));
    FakeServices services;
    FakeOpen open(services);
    writer.open(open);
    Context context(1);
    auto prepared = writer.prepare(images(0, {1, 4, 4}), context);
    writer.write(std::move(prepared), Delivery(EventStates(1), [&](EventStates fates) {
                   CHECK(fates[0].fate == Fate::failed);
                   reason = fates[0].reason;
                 }));
  }
  CHECK(reason == "not delivered");
  CHECK(directory.names() == Names{"test.json", "test_00000.cxi.partial"});
}

TEST_CASE("panels are stacked and their peaks move with them") {
  const ScratchDirectory directory;
  Run run(into(directory, 10));
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
    Run run(params);
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
  Run run(into(directory, 100));
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
    Run run(params);
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
  Run run(params);
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

TEST_CASE("on a full disk the file's events fail, and only they; later messages try again") {
  const ScratchDirectory directory;
  auto params = into(directory, 3);
  params.compression = "none";
  Run run(params);
  const Shape one = {1, 50, 100}, four = {4, 50, 100};  // 10,000 bytes an event
  CHECK(run.send(0, images(0, four)).empty());          // event 3 is in the second file
  CHECK_FALSE(run.answered(0));
  CHECK(eventually([&] { return exists(directory.path() / "test.lst"); }));
  {
    const test::FileSizeLimit limit(20'000);
    const std::string what = run.send(1, images(4, four));
    CHECK(what.find("test_00001.cxi.partial") != std::string::npos);
    CHECK(what.find("File too large") != std::string::npos);
  }
  CHECK(run.fates(0) == "dddf");
  CHECK(run.fates(1) == "ffff");
  CHECK(run.send(2, images(8, one)).empty());
  run.close();
  CHECK(run.fates(2) == "d");
  CHECK(directory.names() == Names{"test.geom", "test.json", "test.lst", "test_00000.cxi",
                                   "test_00001.cxi.partial", "test_00002.cxi", "test_master.cxi"});
  CHECK(H5Reader(directory.path() / "test_00002.cxi").read<std::uint16_t>(cxi_path::data)[0] ==
        800);
}

TEST_CASE("a disk that is full at the end of the run fails the last file's events") {
  const ScratchDirectory directory;
  Run run(into(directory, 10));
  run.send(0, images(0, {2, 40, 40}));
  const test::FileSizeLimit limit(1'000);
  run.close();
  CHECK(run.services.line_with("File too large").find("_00000.cxi.partial") != std::string::npos);
  CHECK(run.fates(0) == "ff");
  CHECK(directory.names() == Names{"test.json", "test_00000.cxi.partial"});
}

TEST_CASE("a file that is lost when it is closed ends the run, unless it may go on") {
  for (const OnError policy : {OnError::skip, OnError::stop}) {
    const ScratchDirectory directory;
    auto params = into(directory, 2);
    params.directory = directory.path() / "out";
    Run run(params, policy);
    run.send(0, images(0, {1, 4, 4}));
    std::filesystem::remove_all(params.directory);
    CHECK(run.send(1, images(1, {1, 4, 4})).empty());  // its file cannot be renamed
    CHECK(run.fates(0) == "f");
    CHECK(run.fates(1) == "f");
    const auto errors = run.services.run_errors();
    REQUIRE(errors.size() == (policy == OnError::stop ? 1 : 0));
    if (policy == OnError::stop) CHECK(errors[0].find("No such file") != std::string::npos);
  }
}

TEST_CASE("what waits for room is written when there is some, or given up with the run") {
  for (const bool aborted : {false, true}) {
    const ScratchDirectory directory;
    Run run(into(directory, 2), OnError::wait);
    run.send(0, images(0, {1, 40, 40}));
    std::optional<test::FileSizeLimit> limit(1'000);
    std::jthread waiting([&] { run.send(1, images(1, {1, 40, 40})); });
    CHECK(eventually([&] { return !run.services.line_with("waiting").empty(); }));
    CHECK_FALSE(run.answered(0));
    if (aborted) {
      run.services.abort = true;
    } else {
      limit.reset();
    }
    CHECK(run.fates(0) == (aborted ? "f" : "d"));
    CHECK(run.fates(1) == (aborted ? "f" : "d"));
    waiting.join();
    CHECK(run.services.line_with("going on").empty() == aborted);
    limit.reset();
    run.close();
  }
}

TEST_CASE("several threads fill several files, when there is enough to fill them with") {
  for (const bool large : {false, true}) {
    const ScratchDirectory directory;
    auto params = into(directory, 1000);
    params.compression = "none";
    Run run(params);
    constexpr int messages = 40;
    const Shape shape = large ? Shape{1, 1000, 2000} : Shape{1, 10, 20};  // 4 MB or 400 bytes
    std::atomic<int> next = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < run.writer().writers(3); ++i) {
      threads.emplace_back([&] {
        for (int m = next++; m < messages; m = next++) {
          run.send(m, images(static_cast<std::size_t>(m), shape));
        }
      });
    }
    threads.clear();
    run.close();
    std::vector<std::uint16_t> first_pixels;
    std::size_t files = 0;
    for (const std::string& name : directory.names()) {
      if (!name.ends_with(".cxi") || name.ends_with("_master.cxi")) continue;
      ++files;
      const H5Reader read(directory.path() / name);
      const auto pixels = read.read<std::uint16_t>(cxi_path::data);
      for (std::size_t i = 0; i < pixels.size(); i += elements_of(shape)) {
        first_pixels.push_back(pixels[i]);
      }
    }
    std::ranges::sort(first_pixels);
    REQUIRE(first_pixels.size() == messages);
    for (int m = 0; m < messages; ++m) {
      CHECK(first_pixels[static_cast<std::size_t>(m)] == m * 100);
      CHECK(run.fates(m) == "d");
    }
    CHECK(files <= 3);
    if (!large) CHECK(files == 1);
  }
}

TEST_CASE("a directory that vanishes fails the events") {
  const ScratchDirectory directory;
  auto params = into(directory, 2);
  params.directory = directory.path() / "out";
  Run run(params);
  run.send(0, images(0, {1, 4, 4}));
  std::filesystem::remove_all(params.directory);
  CHECK(run.send(1, images(1, {1, 4, 4})).empty());  // its file cannot be renamed
  CHECK(run.fates(0) == "f");
  CHECK(run.fates(1) == "f");
  CHECK_FALSE(run.services.line_with("No such file").empty());
  CHECK(run.send(2, images(2, {1, 4, 4})).find("No such file") != std::string::npos);
  CHECK(run.fates(2) == "f");
}

TEST_CASE("a second writer of the same run overwrites nothing") {
  const ScratchDirectory directory;
  for (int i = 0; i < 3; ++i) {
    Run run(into(directory, 1));
    run.send(0, images(static_cast<std::size_t>(i), {1, 4, 4}));
  }
  for (const auto& [name, value] : {std::pair{"test_00000.cxi", 0},
                                    {"test-test_00000.cxi", 100},
                                    {"test-test.2_00000.cxi", 200}}) {
    CHECK(H5Reader(directory.path() / name).read<std::uint16_t>(cxi_path::data)[0] == value);
  }
}

TEST_CASE("fields that do not fit are named") {
  const ScratchDirectory directory;
  auto params = into(directory, 1);
  params.save_segmap = true;
  Run run(params);
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

TEST_CASE("a directory that cannot be made ends the run before it begins") {
  const ScratchDirectory directory;
  std::ofstream(directory.path() / "file") << "x";
  auto params = into(directory, 1);
  params.directory = directory.path() / "file" / "out";
  CHECK_THROWS_WITH_AS(Run{params}, doctest::Contains("cannot write to directory"), RunError);
}

}  // namespace
}  // namespace pnflow
