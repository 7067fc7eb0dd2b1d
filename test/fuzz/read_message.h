#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "graph/error.h"
#include "io/message_reader.h"

namespace pnflow::fuzz {

inline constexpr std::size_t max_array_bytes = std::size_t{16} << 20U;

// What is no DataError is a finding.
void ignoring_data_errors(const auto& action) {
  try {
    action();
  } catch (const DataError&) {
    return;
  }
}

// Reads one array as a node would, up to so many entries.
inline void read_array(const MessageField& field) {
  constexpr std::size_t max_entries = 64;
  const Shape& shape = field.shape();
  const std::size_t entries = shape.empty() ? 1 : shape[0];
  static_cast<void>(field.storage());
  if (entries == 0) return;
  const std::size_t bytes = elements_of(shape) / entries * size_of(field.dtype());
  if (bytes > max_array_bytes) return;
  for (std::size_t i = 0; i < std::min(entries, max_entries); ++i) {
    ignoring_data_errors([&] {
      if (field.is_text()) {
        if (i < elements_of(shape)) static_cast<void>(field.text(i));
        return;
      }
      // Of its own size, so that a byte too many is seen.
      const auto out = std::make_unique_for_overwrite<std::byte[]>(bytes);
      field.read(i, {out.get(), bytes});
    });
  }
}

// Opens a message with `open` and reads everything that is in it, by the names that it lists and by
// those that its format uses.
template <class Open>
void read_message(Open open) {
  ignoring_data_errors([&] {
    const std::unique_ptr<MessageReader> reader = open();
    std::vector<std::vector<std::string>> wanted;
    const FieldNames& usual = reader->usual_names();
    for (const auto& names : {usual.image, usual.timestamp, usual.wavelength, usual.photon_energy,
                              usual.original_shape}) {
      wanted.push_back(names);
    }
    // Where the list cannot be read, the usual names may be there nevertheless.
    std::vector<std::string> listed;
    ignoring_data_errors([&] { listed = reader->names(); });
    if (!std::ranges::is_sorted(listed)) std::abort();
    for (const std::string& name : listed) wanted.push_back({name});
    for (const auto& names : wanted) {
      ignoring_data_errors([&] {
        if (const auto field = reader->find(names)) read_array(*field);
      });
    }
  });
}

}  // namespace pnflow::fuzz
