#include "io/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::size_t early_writeback_bytes = std::size_t{1} << 18U;
constexpr mode_t file_mode = 0666;  // the user's umask takes away what it wants to

// Closes at the end of a scope.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string error_text(const std::filesystem::path& path, std::string_view what, int error) {
  return fmt::format("{}: {}: {}", path.string(), what, std::generic_category().message(error));
}

[[noreturn]] void fail_at(const std::filesystem::path& path, std::string_view what, int error) {
  throw DataError("write", error_text(path, what, error));
}

// What an open file gets when there is no room for more of it.
bool is_full(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }
// What passes when a directory is back, or somebody has the right to write to it again.
bool is_away(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == EROFS ||
         error == ESTALE || error == ENODEV;
}

// Calls attempt() until it says 0. What it says otherwise is errno, which may pass with time if
// may_pass() says so; returned when it does not, or `wait` gives up.
template <class Attempt, class MayPass>
int persist(DiskWait* wait, const std::filesystem::path& path, std::string_view what,
            const MayPass& may_pass, const Attempt& attempt) {
  int failures = 0;
  for (;;) {
    const int error = attempt();
    if (error == EINTR) continue;
    if (error != 0 && wait != nullptr && may_pass(error) &&
        wait->again(error_text(path, what, error), failures++)) {
      continue;
    }
    if (failures > 0) wait->over(error == 0);
    return error;
  }
}

// A new name is durable only once its directory is.
void sync_directory(const std::filesystem::path& directory) {
  const Descriptor descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot sync a directory and say EINVAL; they need no such call.
  if (descriptor.get() < 0 || (::fsync(descriptor.get()) != 0 && errno != EINVAL)) {
    fail_at(directory, "cannot sync the directory", errno);
  }
}

// 0, or errno; EEXIST when `to` exists.
int rename_without_replacing(const char* from, const char* to) {
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system that does not know the flag: a second link does not replace anything either.
  if (::link(from, to) != 0) return errno;
  return ::unlink(from) == 0 ? 0 : errno;
}

}  // namespace

std::optional<AtomicFile> AtomicFile::create(const std::filesystem::path& path, DiskWait* wait) {
  return create(path, wait, false);
}

std::optional<AtomicFile> AtomicFile::create_next(const std::filesystem::path& path,
                                                  DiskWait* wait) {
  return create(path, wait, true);
}

std::optional<AtomicFile> AtomicFile::create(const std::filesystem::path& path, DiskWait* wait,
                                             bool replaces) {
  std::filesystem::path partial = path;
  partial += ".partial";
  std::error_code error;
  if (!replaces && std::filesystem::exists(std::filesystem::symlink_status(path, error))) return {};
  constexpr std::string_view what = "cannot create the file";
  int descriptor = -1;
  const int fault = persist(
      wait, partial, what, [](int e) { return is_full(e) || is_away(e); },
      [&] {
        descriptor = ::open(partial.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, file_mode);
        return descriptor < 0 ? errno : 0;
      });
  if (fault == EEXIST) return {};
  if (fault != 0) fail_at(partial, what, fault);
  return AtomicFile(path, std::move(partial), descriptor, wait, replaces);
}

AtomicFile::AtomicFile(std::filesystem::path path, std::filesystem::path partial, int descriptor,
                       DiskWait* wait, bool replaces)
    : path_(std::move(path)),
      partial_(std::move(partial)),
      descriptor_(descriptor),
      wait_(wait),
      replaces_(replaces) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::move(other.partial_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      wait_(other.wait_),
      replaces_(other.replaces_),
      keep_(std::exchange(other.keep_, true)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!keep_) ::unlink(partial_.c_str());
}

void AtomicFile::fail(std::string_view what, int error) const { fail_at(partial_, what, error); }

void AtomicFile::write_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  constexpr std::string_view what = "cannot write";
  std::size_t done = 0;
  const int error = persist(wait_, partial_, what, is_full, [&] {
    while (done < bytes.size()) {
      const ssize_t n = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
      if (n <= 0) return n < 0 ? errno : ENOSPC;
      done += static_cast<std::size_t>(n);
    }
    return 0;
  });
  if (error != 0) fail(what, error);
  if (bytes.size() >= early_writeback_bytes) {
    // A hint: where it is not supported, fsync does all the work.
    ::sync_file_range(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes.size()),
                      SYNC_FILE_RANGE_WRITE);
  }
}

void AtomicFile::read_at(std::span<std::byte> bytes, std::uint64_t offset) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pread(descriptor_, bytes.data() + done, bytes.size() - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  std::ranges::fill(bytes.subspan(done), std::byte{0});
}

void AtomicFile::truncate(std::uint64_t size) {
  constexpr std::string_view what = "cannot set the size";
  const int error = persist(wait_, partial_, what, is_full, [&] {
    return ::ftruncate(descriptor_, static_cast<off_t>(size)) == 0 ? 0 : errno;
  });
  if (error != 0) fail(what, error);
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("cannot sync", errno);
  // Network file systems report late write errors here.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close", errno);
  const std::string what = fmt::format("cannot rename to {}", path_.filename().string());
  const int error = persist(wait_, partial_, what, is_full, [&] {
    if (!replaces_) return rename_without_replacing(partial_.c_str(), path_.c_str());
    return ::rename(partial_.c_str(), path_.c_str()) == 0 ? 0 : errno;
  });
  if (error != 0) fail(what, error);
  keep_ = true;
  try {
    sync_directory(path_.parent_path());
  } catch (...) {
    // Nobody may take for complete what a power cut can still take away.
    if (!replaces_) ::rename(path_.c_str(), partial_.c_str());
    throw;
  }
}

bool write_new_file(const std::filesystem::path& path, std::string_view text, DiskWait* wait) {
  auto file = AtomicFile::create(path, wait);
  if (!file) return false;
  file->write_at(std::as_bytes(std::span(text)), 0);
  file->commit();
  return true;
}

void append_to_file(const std::filesystem::path& path, std::string_view text, bool create) {
  const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0);
  const Descriptor descriptor(::open(path.c_str(), flags, file_mode));
  if (descriptor.get() < 0) fail_at(path, "cannot open", errno);
  const off_t before = ::lseek(descriptor.get(), 0, SEEK_END);
  const ssize_t n = ::write(descriptor.get(), text.data(), text.size());
  if (n != static_cast<ssize_t>(text.size())) {
    const int error = n < 0 ? errno : ENOSPC;
    if (n > 0 && ::ftruncate(descriptor.get(), before) != 0) fail_at(path, "cannot cut", errno);
    if (create) ::unlink(path.c_str());
    fail_at(path, "cannot append", error);
  }
  if (::fsync(descriptor.get()) != 0) fail_at(path, "cannot sync", errno);
}

}  // namespace pnflow
