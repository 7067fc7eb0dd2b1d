#include "graph/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "graph/error.h"

namespace pnflow {

MappedFile::MappedFile(const std::filesystem::path& path) {
  // Opening a pipe would block, and a directory is refused in words that nobody understands.
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    throw RunError(fmt::format("'{}' is not a file", path.string()));
  }
  const auto fail = [&](int error) {
    throw RunError(fmt::format("'{}' cannot be read: {}", path.string(),
                               std::generic_category().message(error)));
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(errno);
  struct stat status {};
  void* memory = nullptr;
  int error = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  const auto size = static_cast<std::size_t>(status.st_size);
  if (error == 0 && size > 0) {
    memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (memory == MAP_FAILED) error = errno;
  }
  ::close(descriptor);  // the mapping does not need it
  if (error != 0) fail(error);
  if (size == 0) return;
  data_.reset(static_cast<const std::byte*>(memory),
              [size](const std::byte* bytes) { ::munmap(const_cast<std::byte*>(bytes), size); });
  size_ = size;
}

}  // namespace pnflow
