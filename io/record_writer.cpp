#include "io/record_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <exception>
#include <new>
#include <utility>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr unsigned permissions = 0644;
constexpr std::uint64_t block_bytes = 512;
constexpr std::uint64_t header_bytes = 3 * block_bytes;  // pax header, its text, ustar header

}  // namespace

// libarchive's writer, which hands every block on to the file at once, without a copy.
class RecordWriter::Tar {
 public:
  Tar(AtomicFile& file, std::uint64_t position)
      : file_(file), position_(position), archive_(archive_write_new()) {
    if (!archive_) throw std::bad_alloc();
    // Not the "restricted" variant, which drops fractions of a second.
    check(archive_write_set_format_pax(archive_.get()));
    check(archive_write_set_bytes_per_block(archive_.get(), 0));
    check(archive_write_open(archive_.get(), this, nullptr, &Tar::write, nullptr));
  }
  Tar(const Tar&) = delete;
  Tar& operator=(const Tar&) = delete;
  // A record that is given up must not look as if it were complete: libarchive ends it when it is
  // freed. (Told that it has failed, it would forget its buffer.)
  ~Tar() { discarding_ = true; }

  std::uint64_t position() const { return position_; }

  void add(const std::string& name, std::span<const std::byte> message, std::int64_t arrival) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              archive_entry_free);
    if (!entry) throw std::bad_alloc();
    std::int64_t nanoseconds = arrival % second;
    if (nanoseconds < 0) nanoseconds += second;
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), permissions);
    archive_entry_set_size(entry.get(), static_cast<std::int64_t>(message.size()));
    archive_entry_set_mtime(entry.get(), (arrival - nanoseconds) / second, nanoseconds);
    check(archive_write_header(archive_.get(), entry.get()));
    // libarchive takes 2 GiB at once at most, and says how much it has taken.
    for (auto rest = message; !rest.empty();) {
      const auto written = archive_write_data(archive_.get(), rest.data(), rest.size());
      check(written > 0 ? ARCHIVE_OK : ARCHIVE_FATAL);
      rest = rest.subspan(static_cast<std::size_t>(written));
    }
    check(archive_write_finish_entry(archive_.get()));
  }

  void close() { check(archive_write_close(archive_.get())); }

 private:
  static la_ssize_t write(archive*, void* self, const void* bytes, std::size_t size) {
    Tar& tar = *static_cast<Tar*>(self);
    if (tar.discarding_) return static_cast<la_ssize_t>(size);
    try {
      tar.file_.write_at({static_cast<const std::byte*>(bytes), size}, tar.position_);
      tar.position_ += size;
    } catch (...) {  // not through code that is C
      tar.error_ = std::current_exception();
      tar.discarding_ = true;
    }
    return static_cast<la_ssize_t>(size);
  }

  void check(int result) {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    if (result >= ARCHIVE_WARN) return;
    const char* const text = archive_error_string(archive_.get());
    throw DataError("write", fmt::format("{}: {}", file_.partial().string(),
                                         text != nullptr ? text : "libarchive failed"));
  }

  AtomicFile& file_;
  std::uint64_t position_;
  std::exception_ptr error_;
  bool discarding_ = false;  // nothing is written any more
  struct Free {
    void operator()(archive* a) const { archive_write_free(a); }
  };
  std::unique_ptr<archive, Free> archive_;
};

std::unique_ptr<RecordWriter> RecordWriter::create(const std::filesystem::path& path,
                                                   std::uint64_t first) {
  auto file = AtomicFile::create(path);
  if (!file) return nullptr;
  return std::unique_ptr<RecordWriter>(new RecordWriter(*std::move(file), first));
}

RecordWriter::RecordWriter(AtomicFile file, std::uint64_t first)
    : file_(std::move(file)), first_(first), tar_(std::make_unique<Tar>(file_, 0)) {}

RecordWriter::~RecordWriter() = default;

void RecordWriter::add(std::span<const std::byte> message, std::int64_t arrival) {
  try {
    tar_->add(fmt::format("message_{:010}.bin", first_ + messages_), message, arrival);
  } catch (...) {
    tar_ = std::make_unique<Tar>(file_, end_);
    file_.truncate(end_);
    throw;
  }
  end_ = tar_->position();
  ++messages_;
  file_.keep();
}

std::uint64_t RecordWriter::bytes_of(std::size_t message) {
  return header_bytes + (message + block_bytes - 1) / block_bytes * block_bytes;
}

void RecordWriter::commit() {
  tar_->close();
  file_.commit();
}

}  // namespace pnflow
