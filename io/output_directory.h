#pragma once

#include <filesystem>
#include <string>

namespace pnflow {

// The absolute path of a directory that files can be written to, made where there is none.
// Throws RunError that names it when that cannot be had.
std::filesystem::path output_directory(const std::string& name);

}  // namespace pnflow
