#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/message_reader.h"
#include "io/simplon_message.h"

namespace pnflow {

// A Simplon message as arrays: its numbers and texts, each for the one event that an image message
// is, and `compressed_data`, the image, (1,H,W) or (1,C,H,W).
class SimplonReader final : public MessageReader {
 public:
  // Throws what SimplonMessage throws.
  SimplonReader(std::span<const std::byte> bytes, const OpenOptions& options);

  std::string_view format() const override { return "Simplon"; }
  // Neither photon_energy, which is another instrument's, nor photon_wavelength, which is 0, is
  // taken for the photons' unless somebody says so.
  const FieldNames& usual_names() const override;
  std::vector<std::string> names() const override;
  // Throws DataError: "no start message" when nothing says what shape the image has, "wrong shape",
  // "wrong dtype", "unknown filter" for an algorithm that is not bitshuffle-lz4, "implausible
  // size" for more pixels than the compressed bytes can hold.
  std::unique_ptr<MessageField> find(std::span<const std::string> names) const override;

 private:
  std::unique_ptr<MessageField> image() const;

  SimplonMessage message_;
  std::optional<SimplonMessage> start_;
  Shape shape_;
  std::size_t max_array_bytes_;
};

}  // namespace pnflow
