// Disks that are full, directories that are not there.

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "test/nodes/cxi_writer_run.h"
#include "test/support/file_size_limit.h"

namespace pnflow {
namespace {

using namespace test;

TEST_CASE("on a full disk the file's events fail, and only they; later messages try again") {
  const ScratchDirectory directory;
  auto params = into(directory, 3);
  params.compression = "none";
  WriterRun run(params);
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
  WriterRun run(into(directory, 10));
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
    WriterRun run(params, policy);
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
    WriterRun run(into(directory, 2), OnError::wait);
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

TEST_CASE("a directory that vanishes fails the events") {
  const ScratchDirectory directory;
  auto params = into(directory, 2);
  params.directory = directory.path() / "out";
  WriterRun run(params);
  run.send(0, images(0, {1, 4, 4}));
  std::filesystem::remove_all(params.directory);
  CHECK(run.send(1, images(1, {1, 4, 4})).empty());  // its file cannot be renamed
  CHECK(run.fates(0) == "f");
  CHECK(run.fates(1) == "f");
  CHECK_FALSE(run.services.line_with("No such file").empty());
  CHECK(run.send(2, images(2, {1, 4, 4})).find("No such file") != std::string::npos);
  CHECK(run.fates(2) == "f");
}

TEST_CASE("a directory that cannot be made ends the run before it begins") {
  const ScratchDirectory directory;
  std::ofstream(directory.path() / "file") << "x";
  auto params = into(directory, 1);
  params.directory = directory.path() / "file" / "out";
  CHECK_THROWS_WITH_AS(WriterRun{params}, doctest::Contains("cannot write to directory"), RunError);
}

}  // namespace
}  // namespace pnflow
