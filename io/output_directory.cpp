#include "io/output_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "graph/error.h"

namespace pnflow {

std::filesystem::path output_directory(const std::string& name) {
  std::error_code error;
  auto directory = std::filesystem::absolute(name, error).lexically_normal();
  if (!error) std::filesystem::create_directories(directory, error);
  if (!error && ::access(directory.c_str(), W_OK | X_OK) != 0) {
    error = {errno, std::generic_category()};
  }
  if (error) {
    throw RunError(fmt::format("cannot write to directory {}: {}", name, error.message()));
  }
  return directory;
}

}  // namespace pnflow
