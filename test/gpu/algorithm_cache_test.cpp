#include "gpu/peaknet/algorithm_cache.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "test/support/scratch_directory.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

struct Lines {
  std::vector<std::string> said;
  std::function<void(const std::string&)> log() {
    return [this](const std::string& line) { said.push_back(line); };
  }
};

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// As long as it lives, an environment variable has another value; nullptr: there is none.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* const before = ::getenv(name);
    if (before != nullptr) before_ = before;
    set(value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) { value == nullptr ? ::unsetenv(name_) : ::setenv(name_, value, 1); }
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("an algorithm that was chosen is found by the next run") {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "some" / "where" / "algorithms.json";
  Lines lines;
  {
    AlgorithmCache cache(file, lines.log());
    CHECK_FALSE(cache.find("gemm"));
    cache.store("gemm", 3);
    cache.store("a \"quoted\" one", 0);
    CHECK(cache.find("gemm") == 3);
    cache.save();
  }
  AlgorithmCache next(file, lines.log());
  CHECK(next.find("gemm") == 3);
  CHECK(next.find("a \"quoted\" one") == 0);
  CHECK_FALSE(next.find("gem"));
  CHECK(lines.said.empty());
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path())) {
    CHECK(entry.path() == file);  // and no temporary one
  }
}

TEST_CASE("a file is written only when there is something new") {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "algorithms.json";
  Lines lines;
  AlgorithmCache cache(file, lines.log());
  cache.save();
  CHECK(scratch.names().empty());
  cache.store("gemm", 3);
  cache.save();
  std::filesystem::remove(file);
  cache.save();
  CHECK(scratch.names().empty());
}

TEST_CASE("of several processes each adds to what the others wrote") {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "algorithms.json";
  Lines lines;
  AlgorithmCache before(file, lines.log());
  before.store("old", 1);
  before.store("older", 7);
  before.save();
  AlgorithmCache first(file, lines.log());
  AlgorithmCache second(file, lines.log());
  first.store("gemm", 2);
  first.store("old", 4);
  second.store("gemm", 3);
  second.store("convolution", 5);
  first.save();
  second.save();
  const AlgorithmCache all(file, lines.log());
  CHECK(all.find("old") == 4);  // of the first, which alone has chosen it anew
  CHECK(all.find("older") == 7);
  CHECK(all.find("gemm") == 3);  // of the last
  CHECK(all.find("convolution") == 5);
  CHECK(lines.said.empty());
}

TEST_CASE("a file that is damaged or something else is ignored, and replaced") {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "algorithms.json";
  const std::string head = R"({"format": "pnflow algorithms 1", "algorithms": )";
  for (const std::string& content :
       {std::string(), std::string("text"), head + R"({"gemm": 3})", std::string(1000, '['),
        std::string(R"({"algorithms": {"gemm": 3}})"), std::string(R"([1, 2])"),
        std::string(R"({"format": "pnflow algorithms 2", "algorithms": {"gemm": 3}})"),
        head + "[3]}", head + R"({"gemm": -3}})", head + R"({"gemm": "3"}})",
        head + R"({"gemm": 1e3}})", head + R"({"gemm": 99999999999999999999}})",
        head + R"({"gemm": 3}} more)", std::string((16U << 20U) + 1, ' ')}) {
    CAPTURE(content.substr(0, 80));
    write(file, content);
    Lines lines;
    AlgorithmCache cache(file, lines.log());
    CHECK_FALSE(cache.find("gemm"));
    REQUIRE(lines.said.size() == 1);
    CHECK(lines.said[0] ==
          "'" + file.string() + "' is no cache of algorithms that can be read, and is ignored");
    cache.store("gemm", 2);
    cache.save();
    CHECK(AlgorithmCache(file, lines.log()).find("gemm") == 2);
  }
}

TEST_CASE("where a cache cannot be written, that is said once, and it serves this run") {
  const ScratchDirectory scratch;
  write(scratch.path() / "file", "");
  std::filesystem::create_directories(scratch.path() / "directory" / "algorithms.json" / "x");
  for (const auto& file : {scratch.path() / "file" / "algorithms.json",
                           scratch.path() / "directory" / "algorithms.json",
                           std::filesystem::path("/proc/none/algorithms.json")}) {
    CAPTURE(file.string());
    Lines lines;
    AlgorithmCache cache(file, lines.log());
    lines.said.clear();
    cache.store("gemm", 2);
    cache.save();
    REQUIRE_FALSE(lines.said.empty());
    CHECK(lines.said.back().find("'" + file.string() + "' cannot be written: ") !=
          std::string::npos);
    CHECK(cache.find("gemm") == 2);
  }
  CHECK(scratch.names() == std::vector<std::string>{"directory", "file"});
}

TEST_CASE("a cache without a file serves the run") {
  Lines lines;
  AlgorithmCache cache({}, lines.log());
  cache.store("gemm", 2);
  cache.save();
  CHECK(cache.find("gemm") == 2);
  CHECK(lines.said.empty());
}

TEST_CASE("the environment says where the cache is") {
  const auto found = [](const char* caches, const char* home) {
    const Environment one("XDG_CACHE_HOME", caches);
    const Environment other("HOME", home);
    return algorithm_cache_file().string();
  };
  CHECK(found("/caches", "/home/me") == "/caches/pnflow/algorithms.json");
  for (const char* none : {static_cast<const char*>(nullptr), "", "relative"}) {
    CHECK(found(none, "/home/me") == "/home/me/.cache/pnflow/algorithms.json");
    CHECK(found(none, none).empty());
  }
}

TEST_CASE("the file can be read by whoever wants to know") {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "algorithms.json";
  Lines lines;
  AlgorithmCache cache(file, lines.log());
  cache.store("b", 12);
  cache.store("a", 0);
  cache.save();
  CHECK(content_of(file) ==
        "{\n \"algorithms\": {\n  \"a\": 0,\n  \"b\": 12\n },\n"
        " \"format\": \"pnflow algorithms 1\"\n}\n");
}
