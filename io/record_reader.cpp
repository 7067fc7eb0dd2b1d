#include "io/record_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "graph/mapped_file.h"

namespace pnflow {
namespace {

constexpr std::size_t block_bytes = 512;
constexpr std::size_t magic_at = 257;  // in the first header
constexpr std::string_view magic = "ustar";
constexpr std::int64_t second = 1'000'000'000;

}  // namespace

struct RecordReader::State {
  explicit State(const std::filesystem::path& file) : path(file), map(file) {}

  [[noreturn]] void fail(const char* reason, std::string_view what) const {
    throw DataError(reason, fmt::format("{}: message {}: {}", path.string(), messages, what));
  }
  const char* error_text() const {
    const char* const text = archive_error_string(tar.get());
    return text != nullptr ? text : "libarchive failed";
  }
  // A whole block of zeros.
  bool is_end_mark(std::size_t at) const {
    const auto bytes = map.bytes();
    return at % block_bytes == 0 && at <= bytes.size() && bytes.size() - at >= block_bytes &&
           std::ranges::all_of(bytes.subspan(at, block_bytes),
                               [](std::byte byte) { return byte == std::byte{0}; });
  }
  // No header where one was looked for: the end of the archive, or why it is none.
  void check_end(int result) const {
    if (result == ARCHIVE_EOF) {
      if (is_end_mark(static_cast<std::size_t>(archive_read_header_position(tar.get())))) return;
    } else if (is_end_mark(map.bytes().size() - block_bytes)) {
      fail("damaged record", error_text());
    }
    fail("truncated", "the file ends before the archive does");
  }
  // The data of the member whose header was read last.
  std::span<const std::byte> data(std::size_t size) {
    if (size == 0) return {};
    const void* found = nullptr;
    std::size_t found_size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(tar.get(), &found, &found_size, &offset);
    if (result != ARCHIVE_OK || offset != 0 || found_size < size) {
      fail("truncated", fmt::format("{} bytes of {}", result == ARCHIVE_OK ? found_size : 0, size));
    }
    // The whole file is one block to libarchive, so it has no reason to copy.
    const auto at =
        static_cast<std::size_t>(static_cast<const std::byte*>(found) - map.bytes().data());
    return map.bytes().subspan(at, size);
  }

  std::filesystem::path path;
  MappedFile map;
  struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
  };
  std::unique_ptr<archive, Free> tar{archive_read_new()};
  std::size_t messages = 0;
};

bool looks_like_record(std::span<const std::byte> bytes) {
  return bytes.size() >= magic_at + magic.size() &&
         std::memcmp(bytes.data() + magic_at, magic.data(), magic.size()) == 0;
}

RecordReader::RecordReader(const std::filesystem::path& path)
    : state_(std::make_unique<State>(path)) {
  const auto bytes = state_->map.bytes();
  if (bytes.size() < block_bytes || !looks_like_record(bytes)) {
    throw RunError(fmt::format("'{}' is not a record (a tar archive)", path.string()));
  }
  archive* const tar = state_->tar.get();
  if (tar == nullptr || archive_read_support_format_tar(tar) != ARCHIVE_OK ||
      archive_read_open_memory(tar, bytes.data(), bytes.size()) != ARCHIVE_OK) {
    throw RunError(fmt::format("'{}' cannot be read as a tar archive", path.string()));
  }
}

RecordReader::RecordReader(RecordReader&&) noexcept = default;
RecordReader& RecordReader::operator=(RecordReader&&) noexcept = default;
RecordReader::~RecordReader() = default;

std::optional<RecordedMessage> RecordReader::next() {
  State& state = *state_;
  archive_entry* entry = nullptr;
  for (;;) {
    const int result = archive_read_next_header(state.tar.get(), &entry);
    if (result < ARCHIVE_WARN || result == ARCHIVE_EOF) {
      state.check_end(result);
      return {};
    }
    if (archive_entry_filetype(entry) != AE_IFDIR) break;
  }
  const char* const name = archive_entry_pathname(entry);
  RecordedMessage message;
  message.name = name != nullptr ? name : "";
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr ||
      archive_entry_sparse_count(entry) > 0) {
    state.fail("damaged record", fmt::format("member '{}' is not a whole file", message.name));
  }
  message.bytes = state.data(static_cast<std::size_t>(archive_entry_size(entry)));
  message.owner = state.map.owner();
  if (__builtin_mul_overflow(archive_entry_mtime(entry), second, &message.arrival) ||
      __builtin_add_overflow(message.arrival, archive_entry_mtime_nsec(entry), &message.arrival)) {
    state.fail("damaged record", fmt::format("member '{}' has no time of arrival", message.name));
  }
  ++state.messages;
  return message;
}

}  // namespace pnflow
