#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "graph/export.h"

namespace pnflow {

// All that is in a file, which may be a pipe; nothing when it cannot be read. Thread-safe.
PNFLOW_API std::optional<std::string> read_text_file(const std::filesystem::path& file);

}  // namespace pnflow
