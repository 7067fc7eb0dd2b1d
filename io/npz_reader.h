#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/message_reader.h"
#include "io/npz_member.h"
#include "io/zip_directory.h"

namespace pnflow {

// A message that is a NumPy archive, as numpy.savez and numpy.savez_compressed make them: member
// `NAME.npy` is the array NAME; members of other names are passed over. Stored arrays are read
// where they lie in the message.
class NpzReader final : public MessageReader {
 public:
  // `bytes` must outlive it and its fields. Throws what ZipDirectory throws.
  NpzReader(std::span<const std::byte> bytes, const OpenOptions& options)
      : directory_(bytes), max_array_bytes_(options.max_array_bytes) {}

  std::string_view format() const override { return "npz"; }
  // Those of LCLStreamer's NumpyBinarySerializer.
  const FieldNames& usual_names() const override;
  std::vector<std::string> names() const override;
  // Throws what NpzMember throws.
  std::unique_ptr<MessageField> find(std::span<const std::string> names) const override;

 private:
  std::shared_ptr<const NpzMember> member(const ZipMember& member) const;

  ZipDirectory directory_;
  std::size_t max_array_bytes_;
  mutable std::mutex mutex_;
  // By name; an array that is asked for twice is decompressed once.
  mutable std::map<std::string, std::shared_ptr<const NpzMember>, std::less<>> opened_;
};

}  // namespace pnflow
