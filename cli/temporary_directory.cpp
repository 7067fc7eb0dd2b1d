#include "cli/temporary_directory.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "graph/error.h"

namespace pnflow {

TemporaryDirectory::TemporaryDirectory() {
  std::error_code ignored;  // mkdtemp() tells
  std::string name = std::filesystem::temp_directory_path(ignored) / "pnflow-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw RunError(fmt::format("no directory can be made as '{}': {}", name,
                               std::generic_category().message(errno)));
  }
  path_ = name;
}

void TemporaryDirectory::remove() const noexcept {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pnflow
