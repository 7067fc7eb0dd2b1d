#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/hdf5_message.h"
#include "io/message_reader.h"

namespace pnflow {

// A message, or a data file, that is HDF5: the arrays are its datasets, by path.
class Hdf5Reader final : public MessageReader {
 public:
  // `file` as Hdf5Message has it. Throws what that throws.
  explicit Hdf5Reader(std::span<const std::byte> bytes, const std::filesystem::path& file = {})
      : message_(bytes, file) {}

  std::string_view format() const override { return "HDF5"; }
  // Those of LCLStreamer's configurations, then those of CXI files.
  const FieldNames& usual_names() const override;
  std::vector<std::string> names() const override { return message_.paths(); }
  std::unique_ptr<MessageField> find(std::span<const std::string> names) const override;

 private:
  Hdf5Message message_;
};

}  // namespace pnflow
