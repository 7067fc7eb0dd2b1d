#include "io/find_files.h"

#include <fmt/format.h>
#include <glob.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "graph/error.h"
#include "io/cxi_datasets.h"

namespace pnflow {
namespace {

std::vector<std::string> files_of(const std::string& pattern) {
  std::error_code no_such_file;
  if (std::filesystem::exists(pattern, no_such_file)) return {pattern};
  glob_t found{};
  const std::unique_ptr<glob_t, decltype(&globfree)> release(&found, globfree);
  if (glob(pattern.c_str(), GLOB_TILDE, nullptr, &found) != 0) {
    throw RunError(fmt::format("no file is called '{}'", pattern));
  }
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  if (!pattern.ends_with(cxi_master_suffix)) {
    std::erase_if(files, [](const std::string& f) { return f.ends_with(cxi_master_suffix); });
  }
  if (files.empty()) throw RunError(fmt::format("no file but a master is called '{}'", pattern));
  return files;
}

}  // namespace

std::vector<std::string> find_files(const std::vector<std::string>& patterns) {
  std::vector<std::string> all;
  for (const std::string& pattern : patterns) {
    for (std::string& file : files_of(pattern)) {
      std::error_code error;
      if (!std::filesystem::is_regular_file(file, error)) {
        throw RunError(fmt::format("'{}' is not a file", file));
      }
      if (::access(file.c_str(), R_OK) != 0) {
        throw RunError(
            fmt::format("'{}' cannot be read: {}", file, std::generic_category().message(errno)));
      }
      all.push_back(std::move(file));
    }
  }
  return all;
}

}  // namespace pnflow
