#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "graph/array.h"
#include "io/cbor_map.h"

namespace pnflow {

// A message of LCLStreamer's SimplonBinarySerializer (Simplon 1.8 as that program writes it): `c`
// (start and stop of a series) or `m` (one image), then a CBOR map. Nothing is copied: `bytes` must
// outlive this object. Immutable, so safe to use from several threads.
class SimplonMessage {
 public:
  enum class Kind : std::uint8_t { start, image, stop };

  // Whether the bytes begin like one. Reads two bytes.
  static bool recognises(std::span<const std::byte> bytes);

  // Throws what CborMap throws, and DataError("damaged metadata") for a `type` that is none.
  explicit SimplonMessage(std::span<const std::byte> bytes);

  Kind kind() const { return kind_; }
  const CborMap& map() const { return map_; }
  // Which series it belongs to, as text: `run` of images and stops, `run_number` of starts. Empty
  // when the message does not say.
  std::string run() const;
  // Shape of one image, (H,W) or (C,H,W), as a start message has it ("88x96").
  // Throws DataError("wrong shape").
  Shape image_shape() const;

 private:
  CborMap map_;
  Kind kind_ = Kind::image;
};

}  // namespace pnflow
