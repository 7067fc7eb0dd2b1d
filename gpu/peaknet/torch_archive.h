#pragma once

#include <zip.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace pnflow {

struct TorchRecord {
  std::shared_ptr<const std::byte[]> data;
  std::size_t size = 0;
  std::span<const std::byte> bytes() const { return {data.get(), size}; }
};

// The archive that torch.save writes: a zip file whose files, here called records, are stored as
// they are, in one directory of any name: NAME/data.pkl, NAME/data/0, ... For one thread at a time.
class TorchArchive {
 public:
  // `bytes` must outlive it; `file` is their name in errors. Throws RunError: no zip file.
  TorchArchive(std::span<const std::byte> bytes, const std::string& file);

  // `record` is a name within the directory: "data.pkl".
  bool has(const std::string& record) const;
  // A copy of the record, whose checksum is checked. All that are read may together have as many
  // bytes as the archive: a small file takes no large memory. Throws RunError: there is none, it is
  // damaged, compressed or encrypted.
  TorchRecord read(const std::string& record);

 private:
  struct Closer {
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };

  [[noreturn]] void fail(std::string_view what) const;
  zip_int64_t find(const std::string& record) const;

  std::string file_;
  std::unique_ptr<zip_t, Closer> archive_;
  std::string directory_;  // with the slash
  std::uint64_t left_;     // bytes that may still be read
};

}  // namespace pnflow
