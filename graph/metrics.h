#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "graph/clock.h"

namespace pnflow {

// Counts durations in buckets of 1/8 of a power of two, so a quantile is right to 12 percent
// whatever the range. Thread-safe without locks.
class Histogram {
 public:
  void add(std::chrono::nanoseconds duration);
  // The duration below which the share `q` of all durations lies; 0 when there are none.
  std::chrono::nanoseconds quantile(double q) const;
  std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_.load()); }
  std::uint64_t count() const;

 private:
  static constexpr int sub_bits = 3;
  static constexpr std::size_t buckets = 64U << sub_bits;
  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t upper_edge(std::size_t bucket);

  std::array<std::atomic<std::uint64_t>, buckets> counts_{};
  std::atomic<std::int64_t> max_{0};
};

// What is always measured of a node. Thread-safe.
class NodeMetrics {
 public:
  // A message has been handed to the node / has been taken up by its body, having waited since
  // then / has left it after `busy`.
  void arrived();
  void taken_up(Clock::duration waited, std::uint64_t message);
  // Messages handed to the node and not yet taken up.
  const std::atomic<int>& depth() const { return depth_; }
  void finished(Clock::duration busy, std::size_t events);
  // Of a node that has several messages in work at once: one begins / has been answered after
  // `took`. Its busy time is that with a message in work, so it never exceeds the run's.
  void entered();
  void answered(Clock::duration took, std::size_t events);
  void count(std::string_view counter, std::uint64_t n);

  struct Snapshot {
    std::uint64_t messages = 0, events = 0;
    std::chrono::nanoseconds busy{}, waiting{}, p50{}, p99{}, max{};
    int depth = 0, depth_peak = 0;   // messages handed to the node and not yet taken up
    std::uint64_t last_message = 0;  // taken up last
    std::map<std::string, std::uint64_t> counters;
  };
  Snapshot snapshot() const;

 private:
  std::atomic<std::uint64_t> messages_{0}, events_{0}, last_message_{0};
  std::atomic<std::int64_t> busy_{0}, waiting_{0};
  std::atomic<int> depth_{0}, depth_peak_{0};
  Histogram latency_;
  mutable std::mutex mutex_;  // guards what follows
  int in_work_ = 0;
  Clock::time_point working_since_{};
  std::map<std::string, std::uint64_t, std::less<>> counters_;
};

// Raises `peak` to `value` if that is more.
template <class T>
void raise_to(std::atomic<T>& peak, T value) {
  T seen = peak.load();
  while (value > seen && !peak.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace pnflow
