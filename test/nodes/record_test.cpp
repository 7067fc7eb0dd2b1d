#include "nodes/record.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "io/record_reader.h"
#include "test/support/file_size_limit.h"
#include "test/support/scratch_directory.h"

namespace pnflow {
namespace {

using test::FakeOpen;
using test::FakeServices;
using test::ScratchDirectory;
using Names = std::vector<std::string>;

constexpr std::int64_t start = 1'767'225'600'000'000'001;

class CountingServices : public FakeServices {
 public:
  void count(std::string_view counter, std::uint64_t n) override {
    counts[std::string(counter)] += n;
  }
  std::map<std::string, std::uint64_t> counts;
};

Array bytes_array(const std::vector<std::uint8_t>& bytes) { return array_of(*heap_pool(), bytes); }

// A raw message of `size` bytes, all of value `value`, that came so many seconds after the start.
Batch raw(std::size_t size, std::uint8_t value, std::int64_t seconds) {
  Batch batch;
  batch.set_message_field("wire", bytes_array(std::vector<std::uint8_t>(size, value)));
  batch.set_attribute("arrival", start + seconds * 1'000'000'000);
  return batch;
}

class Run {
 public:
  explicit Run(const ScratchDirectory& directory, std::uint64_t max_file = std::uint64_t{4} << 30U)
      : record_({.directory = directory.path(), .max_file = {max_file}}) {
    FakeOpen open(services);
    record_.open(open);
  }
  // What write() threw, or nothing.
  std::string send(const Batch& batch) {
    Context context(batch.events());
    auto prepared = record_.prepare(batch, context);
    Delivery delivery(*context.states(), [this](const EventStates& fates) {
      for (const EventState& event : fates)
        this->fates += event.fate == Fate::delivered ? 'd' : 'f';
      ++answers;
    });
    try {
      record_.write(std::move(prepared), std::move(delivery));
    } catch (const DataError& error) {
      CHECK(error.reason() == "write");
      return error.what();
    }
    return {};
  }
  void close() { record_.close(); }

  CountingServices services;
  int answers = 0;
  std::string fates;  // of events, in the order in which they were known

 private:
  Record record_;
};

// "3x7@1": three bytes of value 7 that came one second after the start.
Names messages_of(const std::filesystem::path& file) {
  Names found;
  RecordReader reader(file);
  while (const auto message = reader.next()) {
    const auto first = message->bytes.empty() ? 0 : std::to_integer<int>(message->bytes[0]);
    found.push_back(std::to_string(message->bytes.size()) + "x" + std::to_string(first) + "@" +
                    std::to_string((message->arrival - start) / 1'000'000'000));
    CHECK((message->arrival - start) % 1'000'000'000 == 0);
  }
  return found;
}

TEST_CASE("raw messages of any size are recorded with their times") {
  const ScratchDirectory directory;
  Run run(directory);
  CHECK(directory.names().empty());
  CHECK(run.send(raw(1, 5, 0)).empty());
  CHECK(run.send(raw(1024, 6, 3)).empty());
  CHECK(run.send(raw(70'001, 7, 4)).empty());
  CHECK(run.answers == 3);
  CHECK(directory.names() == Names{"test-test_00000.tar.partial"});
  run.close();
  CHECK(directory.names() == Names{"test-test_00000.tar"});
  CHECK(messages_of(directory.path() / "test-test_00000.tar") ==
        Names{"1x5@0", "1024x6@3", "70001x7@4"});
  CHECK(run.services.counts.empty());
}

TEST_CASE("a message without a time of arrival has come now") {
  const ScratchDirectory directory;
  Run run(directory);
  const auto now = [] {
    return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  };
  const auto before = now();
  run.send(Batch().set_message_field("wire", bytes_array({1})));
  const auto after = now();
  run.close();
  const auto message = RecordReader(directory.path() / "test-test_00000.tar").next();
  REQUIRE(message);
  CHECK(before <= message->arrival);
  CHECK(message->arrival <= after);
}

TEST_CASE("no file becomes longer than max_file, but for one of a single message") {
  const ScratchDirectory directory;
  Run run(directory, 8192);  // two messages of 1000 bytes: 2 x (1536 + 1024) + 1024 = 6144
  for (std::uint8_t i = 0; i < 5; ++i) run.send(raw(i == 3 ? 20'000 : 1000, i, i));
  run.close();
  CHECK(directory.names() == Names{"test-test_00000.tar", "test-test_00001.tar",
                                   "test-test_00002.tar", "test-test_00003.tar"});
  const auto file = [&](int n) {
    return directory.path() / ("test-test_0000" + std::to_string(n) + ".tar");
  };
  CHECK(std::filesystem::file_size(file(0)) == 6144);
  CHECK(messages_of(file(0)) == Names{"1000x0@0", "1000x1@1"});
  CHECK(messages_of(file(1)) == Names{"1000x2@2"});
  CHECK(messages_of(file(2)) == Names{"20000x3@3"});
  CHECK(messages_of(file(3)) == Names{"1000x4@4"});
  // Numbers go on from file to file, so that all can be unpacked into one directory.
  CHECK(RecordReader(file(3)).next()->name == "message_0000000004.bin");

  // A file that is exactly as long as allowed is not too long.
  const ScratchDirectory exact;
  Run fitting(exact, 6144);
  for (std::uint8_t i = 0; i < 2; ++i) fitting.send(raw(1000, i, i));
  fitting.close();
  CHECK(exact.names() == Names{"test-test_00000.tar"});
}

TEST_CASE("files that are there already are left alone") {
  const ScratchDirectory directory;
  for (std::uint8_t i = 0; i < 2; ++i) {
    Run run(directory);
    run.send(raw(10, i, 0));
    run.close();
  }
  CHECK(directory.names() == Names{"test-test_00000.tar", "test-test_00001.tar"});
  CHECK(messages_of(directory.path() / "test-test_00000.tar") == Names{"10x0@0"});
}

TEST_CASE("the start of a series stands in front of its first image, and in every file") {
  const ScratchDirectory directory;
  Run run(directory, 8192);  // three members of up to 512 bytes
  const auto image = [](std::uint8_t value, std::uint8_t series, std::int64_t seconds) {
    return raw(9, value, seconds).set_message_field("series_start", bytes_array({series, 1, 1}));
  };
  run.send(raw(9, 50, 0));
  run.send(image(51, 1, 1));
  run.send(image(52, 1, 2));  // the next file
  run.send(image(53, 2, 3));
  run.close();
  CHECK(directory.names().size() == 3);
  CHECK(messages_of(directory.path() / "test-test_00000.tar") ==
        Names{"9x50@0", "3x1@1", "9x51@1"});
  CHECK(messages_of(directory.path() / "test-test_00001.tar") == Names{"3x1@2", "9x52@2"});
  CHECK(messages_of(directory.path() / "test-test_00002.tar") == Names{"3x2@3", "9x53@3"});
}

TEST_CASE("a message that does not fit on the disk is counted, and the others are safe") {
  const ScratchDirectory directory;
  Run run(directory);
  run.send(raw(2000, 1, 0));
  run.send(raw(2000, 2, 1));
  {
    const test::FileSizeLimit limit(30'000);
    CHECK(run.send(raw(50'000, 3, 2)).find("test-test_00000.tar.partial") != std::string::npos);
  }
  CHECK(run.services.counts["messages not recorded"] == 1);
  CHECK(directory.names() == Names{"test-test_00000.tar"});
  CHECK(messages_of(directory.path() / "test-test_00000.tar") == Names{"2000x1@0", "2000x2@1"});
  // The run may go on.
  CHECK(run.send(raw(2000, 4, 3)).empty());
  run.close();
  CHECK(messages_of(directory.path() / "test-test_00001.tar") == Names{"2000x4@3"});
}

TEST_CASE("all messages of a file that cannot be completed are counted") {
  const ScratchDirectory directory;
  Run run(directory);
  run.send(raw(2000, 1, 0));
  run.send(raw(2000, 2, 1));
  const auto partial = directory.path() / "test-test_00000.tar.partial";
  {
    const test::FileSizeLimit limit(std::filesystem::file_size(partial) + 100);
    CHECK_THROWS_AS(run.close(), DataError);
  }
  CHECK(run.services.counts["messages not recorded"] == 2);
  CHECK(run.services.line_with("2 messages may be lost with their file").ends_with(".partial"));
  CHECK(directory.names() == Names{"test-test_00000.tar.partial"});
  CHECK(run.send(raw(1, 1, 1)).empty());  // in a file of its own
  run.close();
  CHECK(directory.names() == Names{"test-test_00000.tar.partial", "test-test_00001.tar"});
}

TEST_CASE("events of a message that has some are delivered with their file") {
  const ScratchDirectory directory;
  Run run(directory);
  Batch decoded(2);
  decoded.set_message_field("wire", bytes_array({1, 2}));
  run.send(decoded);
  CHECK(run.answers == 0);
  run.close();
  CHECK(run.fates == "dd");
  run.send(decoded);
  {
    const test::FileSizeLimit limit(2100);
    CHECK_THROWS_AS(run.close(), DataError);
  }
  CHECK(run.fates == "ddff");
}

TEST_CASE("a directory that cannot be written to ends the run before it begins") {
  const ScratchDirectory directory;
  FakeServices services;
  FakeOpen open(services);
  Record fresh({.directory = directory.path() / "a" / "b"});
  fresh.open(open);
  CHECK(std::filesystem::is_directory(directory.path() / "a" / "b"));
  Record nowhere({.directory = "/proc/nowhere"});
  CHECK_THROWS_WITH_AS(nowhere.open(open),
                       doctest::Contains("cannot write to directory /proc/nowhere"), RunError);
  // One that goes away while the run lasts costs every message, and each is counted.
  CountingServices counting;
  FakeOpen again(counting);
  Record record({.directory = directory.path() / "gone"});
  record.open(again);
  std::filesystem::remove(directory.path() / "gone");
  for (int i = 0; i < 2; ++i) {
    Context context;
    auto prepared = record.prepare(raw(5, 1, 0), context);
    CHECK_THROWS_AS(record.write(std::move(prepared), Delivery({}, [](const EventStates&) {})),
                    DataError);
  }
  CHECK(counting.counts["messages not recorded"] == 2);
}

}  // namespace
}  // namespace pnflow
