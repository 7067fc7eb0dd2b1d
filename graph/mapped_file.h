#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "graph/export.h"

namespace pnflow {

// The bytes of a file as memory, read-only: nothing is read before it is looked at. Copies share
// the mapping, which lasts as long as one of them or one of the owners that they handed out.
// Safe to use from several threads. A file that another process shortens meanwhile ends this one
// (SIGBUS), as with every mapping.
class PNFLOW_API MappedFile {
 public:
  // Throws RunError when it is not a file, or cannot be opened or mapped.
  explicit MappedFile(const std::filesystem::path& path);

  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  // The first byte, for whoever keeps a part of the file: nullptr when the file is empty.
  const std::shared_ptr<const std::byte>& owner() const { return data_; }

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t size_ = 0;
};

}  // namespace pnflow
