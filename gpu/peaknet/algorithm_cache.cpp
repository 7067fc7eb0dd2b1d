#include "gpu/peaknet/algorithm_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace pnflow {

namespace {

using Json = nlohmann::json;

constexpr std::uintmax_t largest_file = 16U << 20U;  // bytes; an entry has some 150

// Of the file, in case it has to change.
constexpr const char* format_key = "format";
constexpr const char* format = "pnflow algorithms 1";
constexpr const char* algorithms_key = "algorithms";

// Empty: the environment has no such directory.
std::filesystem::path directory_named(const char* variable) {
  const char* const value = std::getenv(variable);
  const std::filesystem::path path = value == nullptr ? "" : value;
  return path.is_absolute() ? path : std::filesystem::path();
}

// Nothing: the text is something else.
std::optional<AlgorithmCache::Algorithms> parsed(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  const auto said = json.find(format_key);
  const auto entries = json.find(algorithms_key);
  if (said == json.end() || *said != format) return {};
  if (entries == json.end() || !entries->is_object()) return {};
  AlgorithmCache::Algorithms algorithms;
  for (const auto& [key, algorithm] : entries->items()) {
    if (!algorithm.is_number_unsigned()) return {};
    algorithms.emplace(key, algorithm.get<std::size_t>());
  }
  return algorithms;
}

}  // namespace

std::filesystem::path algorithm_cache_file() {
  constexpr const char* name = "pnflow/algorithms.json";
  const std::filesystem::path caches = directory_named("XDG_CACHE_HOME");
  if (!caches.empty()) return caches / name;
  const std::filesystem::path home = directory_named("HOME");
  return home.empty() ? home : home / ".cache" / name;
}

AlgorithmCache::AlgorithmCache(std::filesystem::path file,
                               std::function<void(const std::string& line)> log)
    : file_(std::move(file)), log_(std::move(log)), known_(read()) {}

std::optional<std::size_t> AlgorithmCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(key);
  if (found == known_.end()) return {};
  return found->second;
}

void AlgorithmCache::store(const std::string& key, std::size_t algorithm) {
  const std::lock_guard lock(mutex_);
  known_.insert_or_assign(key, algorithm);
  unsaved_.insert_or_assign(key, algorithm);
}

AlgorithmCache::Algorithms AlgorithmCache::read() const {
  // Opening a pipe would block.
  std::error_code ignored;
  if (file_.empty() || !std::filesystem::exists(file_, ignored)) return {};
  if (std::filesystem::is_regular_file(file_, ignored) &&
      std::filesystem::file_size(file_, ignored) <= largest_file) {
    std::ifstream in(file_, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (auto algorithms = parsed(text)) return *std::move(algorithms);
  }
  log_(fmt::format("'{}' is no cache of algorithms that can be read, and is ignored",
                   file_.string()));
  return {};
}

void AlgorithmCache::save() {
  const std::lock_guard lock(mutex_);
  if (unsaved_.empty() || file_.empty()) return;
  Algorithms all = unsaved_;
  all.merge(read());  // what is in `all` stays
  const Json json = {{format_key, format}, {algorithms_key, all}};
  try {
    replace(json.dump(1) + "\n");
    unsaved_.clear();
  } catch (const std::exception& error) {
    log_(
        fmt::format("the fastest algorithms are not kept for the next run, which may take others: "
                    "'{}' cannot be written: {}",
                    file_.string(), error.what()));
  }
}

// Throws what the system or the library says.
void AlgorithmCache::replace(const std::string& text) const {
  std::filesystem::create_directories(file_.parent_path());
  std::string partial = file_.string() + ".XXXXXX";
  const int descriptor = ::mkstemp(partial.data());
  if (descriptor < 0) throw std::system_error(errno, std::generic_category());
  const ssize_t written = ::write(descriptor, text.data(), text.size());
  int error = written < 0 ? errno : std::cmp_equal(written, text.size()) ? 0 : ENOSPC;
  if (::close(descriptor) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(partial.c_str(), file_.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(partial.c_str());
  throw std::system_error(error, std::generic_category());
}

}  // namespace pnflow
