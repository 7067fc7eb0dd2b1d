#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "graph/error.h"
#include "io/record_reader.h"
#include "io/record_writer.h"
#include "test/support/file_size_limit.h"
#include "test/support/messages.h"
#include "test/support/scratch_directory.h"

namespace pnflow {
namespace {

using test::ScratchDirectory;
using Bytes = std::vector<std::byte>;

constexpr std::int64_t start = 1'767'225'600'123'456'789;

// Bytes that differ from message to message and from place to place.
Bytes message_of(std::size_t size, unsigned seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((i * 2654435761U + seed * 97U) >> 7U);
  }
  return bytes;
}

// Message i of each list arrives i * 1 s 1 ns after the start.
std::int64_t arrival_of(std::size_t i) {
  return start + static_cast<std::int64_t>(i) * 1'000'000'001;
}

const std::vector<std::size_t> odd_sizes = {1, 511, 512, 513, 1024, 0, 70'001, 5120};

std::unique_ptr<RecordWriter> filled(const std::filesystem::path& path,
                                     const std::vector<std::size_t>& sizes) {
  auto writer = RecordWriter::create(path);
  REQUIRE(writer);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    writer->add(message_of(sizes[i], static_cast<unsigned>(i)), arrival_of(i));
  }
  return writer;
}

struct Found {
  std::vector<RecordedMessage> messages;
  std::string reason, detail;  // of the DataError at the end
};

Found read_all(const std::filesystem::path& path) {
  Found found;
  RecordReader reader(path);
  try {
    while (auto message = reader.next()) found.messages.push_back(*std::move(message));
  } catch (const DataError& error) {
    found.reason = error.reason();
    found.detail = error.detail();
  }
  return found;
}

// How many of the first messages are as they were written; the rest must not be there.
void check_messages(const Found& found, const std::vector<std::size_t>& sizes, std::size_t count) {
  REQUIRE(found.messages.size() == count);
  for (std::size_t i = 0; i < count; ++i) {
    const RecordedMessage& message = found.messages[i];
    CHECK(std::ranges::equal(message.bytes, message_of(sizes[i], static_cast<unsigned>(i))));
    CHECK(message.arrival == arrival_of(i));
    CHECK(message.name == "message_000000000" + std::to_string(i) + ".bin");
  }
}

Bytes file_bytes(const std::filesystem::path& path) { return test::read_bytes(path); }

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

TEST_CASE("a record gives back every message, byte for byte, with its time and name") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "a.tar";
  auto writer = filled(path, odd_sizes);
  CHECK(directory.names() == std::vector<std::string>{"a.tar.partial"});
  CHECK(writer->messages() == odd_sizes.size());
  CHECK(writer->bytes() == std::filesystem::file_size(writer->partial()));
  writer->commit();
  CHECK(directory.names() == std::vector<std::string>{"a.tar"});
  const Found found = read_all(path);
  check_messages(found, odd_sizes, odd_sizes.size());
  CHECK(found.reason.empty());
}

TEST_CASE("times before 1970 and numbers that go on keep their value") {
  const ScratchDirectory directory;
  auto writer = RecordWriter::create(directory.path() / "a.tar", 12'345'678'901);
  writer->add(message_of(3, 0), -1);
  writer->add(message_of(3, 0), 0);
  writer->add(message_of(3, 0), 5'000'000'000);
  writer->commit();
  const Found found = read_all(directory.path() / "a.tar");
  REQUIRE(found.messages.size() == 3);
  CHECK(found.messages[0].arrival == -1);
  CHECK(found.messages[1].arrival == 0);
  CHECK(found.messages[2].arrival == 5'000'000'000);
  CHECK(found.messages[2].name == "message_12345678903.bin");
}

TEST_CASE("messages are read where they lie in the file, and outlive their reader") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "a.tar";
  filled(path, odd_sizes)->commit();
  const Bytes file = file_bytes(path);
  const Found found = read_all(path);  // the reader is gone
  const std::byte* const begin = found.messages[0].owner.get();
  std::size_t last = 0;
  for (const RecordedMessage& message : found.messages) {
    CHECK(message.owner.get() == begin);
    if (message.bytes.empty()) continue;
    const auto at = static_cast<std::size_t>(message.bytes.data() - begin);
    CHECK(at > last);
    CHECK(at % 512 == 0);
    REQUIRE(at + message.bytes.size() <= file.size());
    CHECK(std::ranges::equal(message.bytes, std::span(file).subspan(at, message.bytes.size())));
    last = at;
  }
}

TEST_CASE("tar extracts the messages of a record") {
  const ScratchDirectory directory;
  filled(directory.path() / "a.tar", odd_sizes)->commit();
  const std::string command = "cd '" + directory.path().string() + "' && tar xf a.tar 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
  for (std::size_t i = 0; i < odd_sizes.size(); ++i) {
    const auto file = directory.path() / ("message_000000000" + std::to_string(i) + ".bin");
    CHECK(file_bytes(file) == message_of(odd_sizes[i], static_cast<unsigned>(i)));
    struct stat status {};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    CHECK(status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec == arrival_of(i));
  }
}

TEST_CASE("a record that is cut off anywhere gives every message in front of the cut") {
  const ScratchDirectory directory;
  const std::vector<std::size_t> sizes = {1, 700, 512, 30};
  std::vector<std::uint64_t> ends;  // of the data of each message
  {
    auto writer = RecordWriter::create(directory.path() / "a.tar");
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const std::uint64_t data = writer->bytes() + 3 * 512;  // pax header, its text, header
      writer->add(message_of(sizes[i], static_cast<unsigned>(i)), arrival_of(i));
      ends.push_back(data + sizes[i]);
    }
    writer->commit();
  }
  const Bytes whole = file_bytes(directory.path() / "a.tar");
  const auto cut = directory.path() / "cut.tar";
  for (std::size_t size = 1; size < whole.size() - 512; ++size) {
    CAPTURE(size);
    write_file(cut, std::span(whole).first(size));
    if (size < 512) {
      CHECK_THROWS_AS(RecordReader{cut}, RunError);
      continue;
    }
    const Found found = read_all(cut);
    const auto count = static_cast<std::size_t>(
        std::ranges::count_if(ends, [&](std::uint64_t end) { return end <= size; }));
    CHECK(found.messages.size() == count);
    CHECK(found.reason == "truncated");
    CHECK(found.detail.find("cut.tar: message " + std::to_string(count)) != std::string::npos);
  }
}

TEST_CASE("a writer that is given up leaves what it has, and nothing when it has nothing") {
  const ScratchDirectory directory;
  const std::vector<std::size_t> sizes = {10, 2000};
  filled(directory.path() / "a.tar", sizes);
  filled(directory.path() / "b.tar", {});
  CHECK(directory.names() == std::vector<std::string>{"a.tar.partial"});
  const Found found = read_all(directory.path() / "a.tar.partial");
  check_messages(found, sizes, 2);
  CHECK(found.reason == "truncated");
}

TEST_CASE("a name that is taken is left alone") {
  const ScratchDirectory directory;
  filled(directory.path() / "a.tar", {7})->commit();
  CHECK(RecordWriter::create(directory.path() / "a.tar") == nullptr);
  CHECK(read_all(directory.path() / "a.tar").messages.size() == 1);
  CHECK_THROWS_AS(RecordWriter::create(directory.path() / "nowhere" / "a.tar"), DataError);
}

TEST_CASE("a message that does not fit on the disk leaves the record whole") {
  const ScratchDirectory directory;
  const std::vector<std::size_t> sizes = {3000, 4000};
  auto writer = filled(directory.path() / "a.tar", sizes);
  const std::uint64_t before = writer->bytes();
  for (const std::size_t room : {100U, 600U, 1100U, 1600U, 5000U}) {
    const test::FileSizeLimit limit(before + room);
    try {
      writer->add(message_of(10'000, 9), start);
      FAIL("the message was written");
    } catch (const DataError& error) {
      CHECK(error.reason() == "write");
      CHECK(std::string(error.what()).find("a.tar.partial") != std::string::npos);
    }
    CHECK(writer->bytes() == before);
    CHECK(writer->messages() == 2);
  }
  CHECK(std::filesystem::file_size(writer->partial()) == before);
  writer->add(message_of(5, 2), arrival_of(2));
  writer->commit();
  const Found found = read_all(directory.path() / "a.tar");
  check_messages(found, {3000, 4000, 5}, 3);
  CHECK(found.reason.empty());
}

TEST_CASE("any tar archive of files is read, and what is none is refused by name") {
  const ScratchDirectory directory;
  const auto run = [&](const std::string& command) {
    return std::system(("cd '" + directory.path().string() + "' && " + command).c_str());
  };
  REQUIRE(run("mkdir d && printf one > d/1 && printf three > d/3 && touch -d @77.5 d/1 && "
              "tar cf gnu.tar d && tar --format=pax -cf pax.tar d/1 d/3 && ln -s 1 d/link && "
              "tar cf link.tar d/link") == 0);
  Found found = read_all(directory.path() / "gnu.tar");
  REQUIRE(found.messages.size() == 2);
  found = read_all(directory.path() / "pax.tar");
  REQUIRE(found.messages.size() == 2);
  CHECK(found.messages[0].name == "d/1");
  CHECK(found.messages[0].bytes.size() == 3);
  CHECK(found.messages[0].arrival == 77'500'000'000);
  CHECK(found.messages[1].bytes.size() == 5);
  CHECK(found.reason.empty());
  CHECK(read_all(directory.path() / "link.tar").reason == "damaged record");

  write_file(directory.path() / "text", message_of(5000, 1));
  CHECK_THROWS_WITH_AS(RecordReader(directory.path() / "text"),
                       doctest::Contains("text' is not a record (a tar archive)"), RunError);
  write_file(directory.path() / "empty", {});
  CHECK_THROWS_WITH_AS(RecordReader(directory.path() / "empty"),
                       doctest::Contains("is not a record"), RunError);
  CHECK_THROWS_WITH_AS(RecordReader(directory.path() / "no"),
                       doctest::Contains("No such file or directory"), RunError);

  filled(directory.path() / "a.tar", {100, 100})->commit();
  Bytes bytes = file_bytes(directory.path() / "a.tar");
  bytes[2048 + 1024 + 3] ^= std::byte{0x40};  // the second member's name
  write_file(directory.path() / "bad.tar", bytes);
  found = read_all(directory.path() / "bad.tar");
  CHECK(found.messages.size() == 1);
  CHECK(found.reason == "damaged record");
}

}  // namespace
}  // namespace pnflow
