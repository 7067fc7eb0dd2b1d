#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/node.h"
#include "graph/registry.h"

// What a node finds in a run, for the test or the benchmark of one node alone. Transforms and sinks
// need no more than a Context(events); these are for what asks for more in open() or next().
namespace pnflow::test {

// Keeps the log lines, and the errors with which a node has ended its run. Thread-safe.
class FakeServices : public NodeServices {
 public:
  void log(LogLevel, std::string_view line) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(line);
  }
  void count(std::string_view, std::uint64_t) override {}
  bool aborting() const override { return abort; }
  void fail_run(std::string_view error) override {
    const std::lock_guard lock(mutex_);
    run_errors_.emplace_back(error);
  }

  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::vector<std::string> run_errors() const {
    const std::lock_guard lock(mutex_);
    return run_errors_;
  }
  // The first line with `text` in it, or nothing.
  std::string line_with(std::string_view text) const {
    for (const std::string& line : lines()) {
      if (line.find(text) != std::string::npos) return line;
    }
    return {};
  }

  std::atomic<bool> abort = false;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_, run_errors_;
};

// For open(): a window of 4, no limiter in front, an empty registry.
class FakeOpen : public OpenContext {
 public:
  explicit FakeOpen(FakeServices& services) : services_(services) {}
  const std::string& node_name() const override { return name_; }
  NodeServices& services() override { return services_; }
  std::shared_ptr<const Region> region() const override { return nullptr; }
  Registry& registry() override { return registry_; }
  void expect_events(std::uint64_t events) override { expected_events = events; }
  int window() const override { return 4; }
  const std::string& run_name() const override { return name_; }
  const std::string& resolved_config() const override { return name_; }
  OnError on_error() const override { return policy; }

  std::uint64_t expected_events = 0;
  OnError policy = OnError::skip;

 private:
  FakeServices& services_;
  Registry registry_;
  std::string name_ = "test";
};

// For next(): set `stop` to end the source.
class FakeSource : public SourceContext {
 public:
  explicit FakeSource(FakeServices& services) : services_(services) {}
  bool stopping() const override { return stop; }
  bool aborting() const override { return services_.abort; }
  MemoryPool& pool() override { return services_.pool(); }
  void log(LogLevel level, std::string_view line) override { services_.log(level, line); }
  void count(std::string_view, std::uint64_t) override {}
  void control_message() override { ++controls; }
  void unreadable(std::string_view reason, std::string_view) override {
    reasons.emplace_back(reason);
  }
  std::uint64_t decoded_events() const override { return decoded; }

  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> decoded = 0;
  int controls = 0;
  std::vector<std::string> reasons;

 private:
  FakeServices& services_;
};

}  // namespace pnflow::test
