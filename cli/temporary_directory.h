#pragma once

#include <filesystem>

namespace pnflow {

// An empty directory in $TMPDIR (else /tmp) that goes, with all that is in it, with this object.
class TemporaryDirectory {
 public:
  // Throws RunError when it cannot be made.
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { remove(); }

  const std::filesystem::path& path() const { return path_; }
  // At once: for who ends the process. Thread-safe.
  void remove() const noexcept;

 private:
  std::filesystem::path path_;
};

}  // namespace pnflow
