#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "graph/error.h"
#include "io/message_reader.h"

namespace pnflow::test {

// The reason of the DataError that `action` throws, else "none".
std::string reason_of(const auto& action) {
  try {
    action();
  } catch (const DataError& error) {
    return error.reason();
  }
  return "none";
}

// One array of a message by its name; throws std::runtime_error when there is none.
std::unique_ptr<MessageField> find_array(const MessageReader& reader, const std::string& name);

// All elements, entry by entry.
std::vector<std::byte> read_all(const MessageField& field);

// How each array of a message fares, sorted by name: "NAME: " and either the reason for which there
// is none, or one fate for each entry, "read" or a reason. What is read is added to `pixels`.
std::vector<std::string> array_fates(std::span<const std::byte> bytes,
                                     std::vector<std::byte>* pixels = nullptr);

// Opens every message of a captured set as decode does, and checks images, time stamps, wavelengths
// and original shapes against what LCLStreamer was given (expected.npz). Padding is left out of the
// comparison. Not for what changes pixels: normalisation, ZFP.
void check_captured_set(const std::string& set);

}  // namespace pnflow::test
