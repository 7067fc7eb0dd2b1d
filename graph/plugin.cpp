#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
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

std::vector<fs::path> module_directories() {
  std::vector<fs::path> directories;
  if (const char* paths = std::getenv("PNFLOW_MODULE_PATH")) {
    std::istringstream in(paths);
    for (std::string path; std::getline(in, path, ':');) {
      if (!path.empty()) directories.emplace_back(path);
    }
  }
  if (const fs::path own = own_directory(); !own.empty()) {
    directories.push_back(own);
    directories.push_back(own.parent_path() / "lib" / "pnflow");
  }
  return directories;
}

}  // namespace

void load_plugin(Registry& registry, const std::string& file) {
  const bool by_path = file.find('/') != std::string::npos;
  const std::string path = by_path ? file : "./" + file;
  // Never closed: node types, their virtual tables and anything they allocated live on in it.
  // RTLD_LOCAL keeps the symbols of two plugins apart.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw RunError(fmt::format("cannot load plugin '{}': {}", file, dlerror()));
  const auto abi = required_symbol<AbiFunction>(library, file, "pnflow_abi");
  const auto enter = required_symbol<RegisterFunction>(library, file, "pnflow_register");
  if (std::string_view(abi()) != PNFLOW_ABI_STRING) {
    throw RunError(
        fmt::format("plugin '{}' was built for another pnflow:\n  plugin: {}\n  pnflow: {}", file,
                    abi(), PNFLOW_ABI_STRING));
  }
  if (!registry.begin_origin(file)) return;
  enter(registry);
}

void load_module(Registry& registry, std::string_view name, std::string_view how_to_get_it) {
  const std::string file = fmt::format("libpnflow_{}.so", name);
  std::string tried;
  for (const fs::path& directory : module_directories()) {
    const fs::path path = directory / file;
    if (fs::exists(path)) return load_plugin(registry, path.string());
    tried += fmt::format("\n  {}", path.string());
  }
  throw RunError(fmt::format("module '{}' is not there; tried:{}\n{}", name, tried, how_to_get_it));
}

}  // namespace pnflow
