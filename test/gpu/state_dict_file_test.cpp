#include "gpu/peaknet/state_dict_file.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "graph/error.h"
#include "test/gpu/support/pickles.h"
#include "test/support/archives.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr std::size_t end_of_directory_bytes = 22;

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> floats(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// A state dict of "a", 2x3, and "b", the second half of the same storage, and "c", transposed.
std::string some_pickle() {
  return start + "}(" + text("a") + tensor(0, {2, 3}, {3, 1}) + text("b") + tensor(3, {3}, {1}) +
         text("c") + tensor(0, {2, 2}, {1, 2}, 4, "1") + "u.";
}

// As torch.save writes it.
std::vector<ArchiveEntry> some_entries() {
  return {{"some/data.pkl", bytes_of(some_pickle())},
          {"some/byteorder", bytes_of("little")},
          {"some/data/0", floats({0, 1, 2, 3, 4, 5})},
          {"some/data/1", floats({6, 7, 8, 9})},
          {"some/version", bytes_of("3\n")},
          {"some/.data/serialization_id", bytes_of("0123456789")}};
}

std::vector<ArchiveEntry> without(const std::string& name) {
  std::vector<ArchiveEntry> entries = some_entries();
  std::erase_if(entries, [&](const ArchiveEntry& entry) { return entry.name == name; });
  return entries;
}

std::vector<ArchiveEntry> with(const std::string& name, const std::vector<std::byte>& content) {
  std::vector<ArchiveEntry> entries = without(name);
  entries.push_back({name, content});
  return entries;
}

StateDict parsed(const std::vector<std::byte>& bytes) {
  return parse_state_dict(bytes, nullptr, "some.pt");
}

void check_fault(const std::vector<std::byte>& bytes, const std::string& fault) {
  CAPTURE(fault);
  CHECK_THROWS_WITH_AS(parsed(bytes), doctest::Contains(fault.c_str()), RunError);
  CHECK_THROWS_WITH_AS(parsed(bytes), doctest::Contains("'some.pt'"), RunError);
}

void check_tensors(const StateDict& state) {
  REQUIRE(state.size() == 3);
  CHECK(floats_of(state.at("a")) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(state.at("a").shape == Shape{2, 3});
  CHECK(floats_of(state.at("b")) == std::vector<float>{3, 4, 5});
  CHECK(floats_of(state.at("c")) == std::vector<float>{6, 8, 7, 9});
}

// Of the record's entry in the directory, which follows all records; 46 bytes and the name.
std::size_t entry_of(const std::vector<std::byte>& archive, const std::string& name) {
  return position_of(archive, name, 1) - 46;
}

}  // namespace

TEST_CASE("a state dict is read from an archive of torch.save") {
  check_tensors(parsed(zip_archive(some_entries())));
  check_tensors(parsed(zip_archive(some_entries(), "a comment")));
  check_tensors(parsed(zip_archive(without("some/byteorder"))));
  check_tensors(parsed(streamed_archive(some_entries())));
  check_tensors(parsed(streamed_archive(some_entries(), true)));
}

TEST_CASE("tensors of one storage share it, and keep it") {
  StateDict state = parsed(zip_archive(some_entries()));
  CHECK(state.at("a").storage == state.at("b").storage);
  CHECK(state.at("a").bytes.data() + 12 == state.at("b").bytes.data());
  const WeightTensor kept = state.at("b");
  state.clear();
  CHECK(floats_of(kept) == std::vector<float>{3, 4, 5});
}

TEST_CASE("archives of something else are refused by what they are") {
  check_fault(zip_archive(with("some/constants.pkl", {})), "it is a whole model, TorchScript");
  check_fault(zip_archive(with("some/archive_format", {})), "it is a whole model, TorchScript");
  check_fault(zip_archive(without("some/data.pkl")), "it is no archive of torch.save");
  check_fault(zip_archive({{"data.pkl", {}}}), "its files are in no directory");
  check_fault(zip_archive({{"other/x", {}}, {"some/data.pkl", {}}}), "no archive of torch.save");
  check_fault(zip_archive(with("some/byteorder", bytes_of("big"))), "another order of bytes");
  check_fault(zip_archive(with("some/data.pkl", bytes_of("N."))), "it is no dictionary");
  check_fault(bytes_of("\x80\x02\x8a\x0a" + std::string(20, 'x')), "before PyTorch 1.6");
  check_fault(bytes_of("some text"), "no safetensors file");
}

TEST_CASE("storages that are not there or too short are named") {
  check_fault(zip_archive(without("some/data/1")), "the archive has no \"data/1\"");
  check_fault(zip_archive(with("some/data/1", floats({6, 7, 8}))),
              "truncated: the storage of c has 12 bytes, and 4 values of F32 are due");
}

TEST_CASE("damage is found by the checksums") {
  const std::vector<std::byte> good = zip_archive(some_entries());
  for (const ArchiveEntry& entry : some_entries()) {
    if (entry.name == "some/version" || entry.name.starts_with("some/.data")) continue;
    std::vector<std::byte> damaged = good;
    damaged[position_of(damaged, entry.name) + entry.name.size()] ^= std::byte{0x40};
    const std::string record = entry.name.substr(sizeof "some");
    check_fault(damaged, "is no archive of torch.save that can be read: \"" + record + "\": CRC");
  }
}

TEST_CASE("what is compressed is refused: nothing else bounds what it would become") {
  std::vector<ArchiveEntry> entries = some_entries();
  entries[2].deflate_level = 6;
  entries[2].content.resize(100'000);
  check_fault(zip_archive(entries), "\"data/0\" is compressed or encrypted");
}

TEST_CASE("no archive is read beyond its bytes, nor takes more memory than it has bytes") {
  const std::vector<std::byte> good = zip_archive(some_entries());
  for (const std::string record : {"some/data.pkl", "some/data/0", "some/data/1"}) {
    CAPTURE(record);
    std::vector<std::byte> larger = good;
    const std::size_t entry = entry_of(larger, record);
    put_number(larger, entry + 20, 0x7fffffff, 4);  // stored size
    put_number(larger, entry + 24, 0x7fffffff, 4);  // size
    check_fault(larger, "is no archive of torch.save that can be read");
    put_number(larger, entry + 20, 2, 4);
    check_fault(larger, "is no archive of torch.save that can be read");
  }
  // A large storage, in whose place another one lies as well.
  std::vector<ArchiveEntry> entries = some_entries();
  entries[2].content.resize(5000);
  std::vector<std::byte> shared = zip_archive(entries);
  const auto same = shared.begin() + static_cast<std::ptrdiff_t>(entry_of(shared, "some/data/0"));
  std::copy(same, same + 46,
            shared.begin() + static_cast<std::ptrdiff_t>(entry_of(shared, "some/data/1")));
  check_fault(shared, "\"data/1\" would have 5000 bytes, and the file has only");
}

TEST_CASE("tensors that lie over each other in another order do not multiply") {
  std::string pickle = start + "}(";
  for (const char* name : {"a", "b", "c", "d"}) {
    pickle += text(name) + tensor(0, {2, 500}, {1, 2}, 1000);
  }
  check_fault(zip_archive({{"some/data.pkl", bytes_of(pickle + "u.")},
                           {"some/data/0", std::vector<std::byte>(4000)}}),
              "would be larger than the file");
}

TEST_CASE("an archive that is cut off anywhere is refused") {
  const std::vector<std::byte> good = zip_archive(some_entries());
  for (std::size_t size = 4; size < good.size(); ++size) {
    CAPTURE(size);
    // A copy of exactly this size, so that a sanitizer sees what is read behind its end.
    CHECK_THROWS_AS(parsed({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}),
                    RunError);
  }
}

TEST_CASE("a directory of more entries than there are bytes is refused at once") {
  const std::vector<std::byte> good = streamed_archive(some_entries(), true);
  const std::size_t end = position_of(good, "PK\x06\x06");
  for (const std::uint64_t entries : {7U, 1U << 20U, 1U << 30U}) {
    std::vector<std::byte> archive = good;
    put_number(archive, end + 24, entries, 8);  // in this volume
    put_number(archive, end + 32, entries, 8);  // in all
    put_number(archive, archive.size() - end_of_directory_bytes + 8, 0xffff, 2);
    put_number(archive, archive.size() - end_of_directory_bytes + 10, 0xffff, 2);
    check_fault(archive, "is no archive of torch.save that can be read");
  }
}
