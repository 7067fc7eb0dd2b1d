#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

#include "graph/batch.h"

namespace pnflow::test {

// A Simplon message: `first`, 'c' or 'm', then the map as CBOR.
inline std::vector<std::byte> simplon(char first, const nlohmann::json& map) {
  const auto cbor = nlohmann::json::to_cbor(map);
  std::vector<std::byte> bytes(1 + cbor.size(), static_cast<std::byte>(first));
  std::ranges::transform(cbor, bytes.begin() + 1, [](auto b) { return static_cast<std::byte>(b); });
  return bytes;
}

// A message as a source hands it on.
inline Batch wire_batch(const std::vector<std::byte>& bytes) {
  const auto owner = std::make_shared<std::vector<std::byte>>(bytes);
  Batch batch;
  batch.set_message_field("wire", Array(DType::u8, {bytes.size()}, {owner, owner->data()}));
  return batch;
}

}  // namespace pnflow::test
