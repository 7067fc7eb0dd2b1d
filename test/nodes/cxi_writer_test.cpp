// When events are delivered, by how many threads, and which files there are then.

#include "nodes/cxi_writer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/nodes/cxi_writer_run.h"

namespace pnflow {
namespace {

using namespace test;

TEST_CASE("events are delivered when their file has its name, and not before") {
  const ScratchDirectory directory;
  WriterRun run(into(directory, 4));
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
  WriterRun run(params);
  run.close();
  CHECK(directory.names() == Names{"a"});
  CHECK(std::filesystem::is_empty(directory.path() / "a" / "b"));
}

TEST_CASE("a message over several files is answered with the last of them") {
  const ScratchDirectory directory;
  WriterRun run(into(directory, 2));
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

TEST_CASE("several threads fill several files, when there is enough to fill them with") {
  for (const bool large : {false, true}) {
    const ScratchDirectory directory;
    auto params = into(directory, 1000);
    params.compression = "none";
    WriterRun run(params);
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

TEST_CASE("a second writer of the same run overwrites nothing") {
  const ScratchDirectory directory;
  for (int i = 0; i < 3; ++i) {
    WriterRun run(into(directory, 1));
    run.send(0, images(static_cast<std::size_t>(i), {1, 4, 4}));
  }
  for (const auto& [name, value] : {std::pair{"test_00000.cxi", 0},
                                    {"test-test_00000.cxi", 100},
                                    {"test-test.2_00000.cxi", 200}}) {
    CHECK(H5Reader(directory.path() / name).read<std::uint16_t>(cxi_path::data)[0] == value);
  }
}

}  // namespace
}  // namespace pnflow
