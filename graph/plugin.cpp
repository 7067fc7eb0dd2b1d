#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "graph/abi.h"
#include "graph/error.h"
#include "graph/registry.h"

namespace pnflow {

namespace fs = std::filesystem;

namespace {

using AbiFunction = const char* (*)();
using RegisterFunction = void (*)(Registry&);

// dlsym gives a pointer to data; POSIX promises that it may be turned into one to a function.
template <class Function>
Function required_symbol(void* library, const std::string& file, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) {
    throw RunError(
        fmt::format("'{}' is not a plugin of pnflow: it has no function '{}'", file, name));
  }
  return reinterpret_cast<Function>(found);
}

// The directory that libpnflow.so (or a program that holds this code) was loaded from.
fs::path own_directory() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&load_plugin), &info) == 0) return {};
  std::error_code ignored;
  const fs::path file = fs::canonical(info.dli_fname, ignored);
  return file.parent_path();
}

// Those that an environment variable names, with ':' between them.
std::vector<fs::path> directories_in(const char* variable) {
  std::vector<fs::path> directories;
  const char* paths = std::getenv(variable);
  std::istringstream in(paths != nullptr ? paths : "");
  for (std::string path; std::getline(in, path, ':');) {
    if (!path.empty()) directories.emplace_back(path);
  }
  return directories;
}

std::vector<fs::path> module_directories() {
  std::vector<fs::path> directories = directories_in("PNFLOW_MODULE_PATH");
  if (const fs::path own = own_directory(); !own.empty()) {
    directories.push_back(own);
    directories.push_back(own / "pnflow");
  }
  return directories;
}

// What `file` may mean, in the order of the search, each once; with a '/' in it, so that the
// loader does not look elsewhere.
std::vector<fs::path> plugin_candidates(const fs::path& file, const fs::path& beside) {
  if (file.is_absolute()) return {file};
  std::vector<fs::path> directories{beside.empty() ? "." : beside, "."};
  for (fs::path& directory : directories_in("PNFLOW_PLUGIN_PATH")) {
    directories.push_back(std::move(directory));
  }
  std::vector<fs::path> candidates;
  std::vector<fs::path> seen;
  for (const fs::path& directory : directories) {
    fs::path place = fs::absolute(directory / file).lexically_normal();
    if (std::ranges::find(seen, place) != seen.end()) continue;
    seen.push_back(std::move(place));
    candidates.push_back(directory / file);
  }
  return candidates;
}

// The first of them that there is. Throws RunError: `complaint`, every path, and `way_out`.
fs::path first_existing(const std::vector<fs::path>& candidates, const std::string& complaint,
                        std::string_view way_out) {
  std::string tried;
  for (const fs::path& path : candidates) {
    std::error_code unreachable;  // counts as not there
    if (fs::exists(path, unreachable)) return path;
    tried += fmt::format("\n  {}", path.string());
  }
  throw RunError(
      fmt::format("{}\ntried:{}{}{}", complaint, tried, way_out.empty() ? "" : "\n", way_out));
}

void enter_plugin(RegisterFunction enter, Registry& registry, const std::string& name) {
  try {
    enter(registry);
  } catch (const std::exception& error) {
    throw RunError(fmt::format("plugin '{}' cannot register: {}", name, error.what()));
  } catch (...) {
    throw RunError(
        fmt::format("plugin '{}' cannot register: it throws what is no std::exception", name));
  }
}

// `name` is how messages call the library.
void load_library(Registry& registry, const fs::path& path, const std::string& name) {
  // Never closed: node types, their virtual tables and anything they allocated live on in it.
  // RTLD_LOCAL keeps the symbols of two plugins apart.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw RunError(fmt::format("cannot load plugin '{}': {}", name, dlerror()));
  const auto abi = required_symbol<AbiFunction>(library, name, "pnflow_abi");
  const auto enter = required_symbol<RegisterFunction>(library, name, "pnflow_register");
  if (std::string_view(abi()) != PNFLOW_ABI_STRING) {
    throw RunError(
        fmt::format("plugin '{}' was built for another pnflow:\n  plugin: {}\n  pnflow: {}", name,
                    abi(), PNFLOW_ABI_STRING));
  }
  if (!registry.begin_origin(fs::canonical(path).string())) return;
  enter_plugin(enter, registry, name);
}

}  // namespace

std::string load_plugin(Registry& registry, const std::string& file,
                        const std::filesystem::path& beside) {
  const bool relative = !fs::path(file).is_absolute();
  const fs::path path = first_existing(
      plugin_candidates(file, beside), fmt::format("plugin '{}' is not there", file),
      relative ? "more directories can be named in PNFLOW_PLUGIN_PATH, with ':' between them" : "");
  load_library(registry, path, file);
  return fs::canonical(path).string();
}

std::string find_module(std::string_view name, std::string_view how_to_get_it) {
  const std::string file = fmt::format("libpnflow_{}.so", name);
  std::vector<fs::path> candidates = module_directories();
  for (fs::path& directory : candidates) directory /= file;
  return first_existing(candidates, fmt::format("module '{}' is not there", name), how_to_get_it)
      .string();
}

void load_module(Registry& registry, std::string_view name, std::string_view how_to_get_it) {
  const std::string path = find_module(name, how_to_get_it);
  load_library(registry, path, path);
}

}  // namespace pnflow
