#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace pnflow {

// $XDG_CACHE_HOME/pnflow/algorithms.json, or the same in ~/.cache; empty where the environment
// names neither.
std::filesystem::path algorithm_cache_file();

// Which of a library's algorithms was the fastest, by a text that says for what: device, library
// and its version, operation, shape, precision. Kept in a file, not only because timing takes
// seconds: it differs from run to run, and algorithms add up in different orders, so that this is
// also what makes a run give the same bits as the one before. Safe to use from several threads.
class AlgorithmCache {
 public:
  using Algorithms = std::map<std::string, std::size_t>;

  // Reads `file`; empty: nothing is kept. One that is damaged or something else is ignored, which
  // takes one line to `log`.
  AlgorithmCache(std::filesystem::path file, std::function<void(const std::string& line)> log);

  std::optional<std::size_t> find(const std::string& key) const;
  void store(const std::string& key, std::size_t algorithm);
  // Writes the file, unless it has everything: what has been stored since it was read, and for
  // other keys what is in it now, as other processes write it too. It is replaced as a whole, so
  // that nobody reads half of one. Where it cannot be written that takes one line to `log`.
  void save();

 private:
  Algorithms read() const;
  void replace(const std::string& text) const;

  std::filesystem::path file_;
  std::function<void(const std::string& line)> log_;
  mutable std::mutex mutex_;
  Algorithms known_;
  Algorithms unsaved_;
};

}  // namespace pnflow
