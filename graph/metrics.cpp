#include "graph/metrics.h"

#include <bit>
#include <cmath>

namespace pnflow {

std::size_t Histogram::bucket_of(std::uint64_t ns) {
  if (ns < (1U << sub_bits)) return ns;
  const int exponent = std::bit_width(ns) - 1 - sub_bits;
  return (static_cast<std::size_t>(exponent + 1) << sub_bits) +
         ((ns >> exponent) & ((1U << sub_bits) - 1));
}

std::uint64_t Histogram::upper_edge(std::size_t bucket) {
  if (bucket < (1U << sub_bits)) return bucket;
  const auto exponent = static_cast<int>(bucket >> sub_bits) - 1;
  const std::uint64_t mantissa = (1U << sub_bits) + (bucket & ((1U << sub_bits) - 1));
  return ((mantissa + 1) << exponent) - 1;
}

void Histogram::add(std::chrono::nanoseconds duration) {
  const std::int64_t ns = std::max<std::int64_t>(duration.count(), 0);
  counts_[bucket_of(static_cast<std::uint64_t>(ns))].fetch_add(1, std::memory_order_relaxed);
  raise_to(max_, ns);
}

std::uint64_t Histogram::count() const {
  std::uint64_t total = 0;
  for (const auto& n : counts_) total += n.load(std::memory_order_relaxed);
  return total;
}

std::chrono::nanoseconds Histogram::quantile(double q) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count())));
  std::uint64_t below = 0;
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    below += counts_[bucket].load(std::memory_order_relaxed);
    if (below >= wanted && below > 0) {
      const auto edge = std::chrono::nanoseconds(upper_edge(bucket));
      return std::min(edge, max());
    }
  }
  return {};
}

void NodeMetrics::arrived() { raise_to(depth_peak_, ++depth_); }

void NodeMetrics::taken_up(Clock::duration waited, std::uint64_t message) {
  --depth_;
  waiting_ += waited.count();
  last_message_ = message;
}

void NodeMetrics::finished(Clock::duration busy, std::size_t events) {
  ++messages_;
  events_ += events;
  busy_ += busy.count();
  latency_.add(busy);
}

void NodeMetrics::entered() {
  const std::lock_guard lock(mutex_);
  if (in_work_++ == 0) working_since_ = Clock::now();
}

void NodeMetrics::answered(Clock::duration took, std::size_t events) {
  ++messages_;
  events_ += events;
  latency_.add(took);
  const std::lock_guard lock(mutex_);
  if (--in_work_ == 0) busy_ += (Clock::now() - working_since_).count();
}

void NodeMetrics::count(std::string_view counter, std::uint64_t n) {
  const std::lock_guard lock(mutex_);
  const auto it = counters_.find(counter);
  if (it != counters_.end()) {
    it->second += n;
  } else {
    counters_.emplace(counter, n);
  }
}

NodeMetrics::Snapshot NodeMetrics::snapshot() const {
  Snapshot now;
  now.messages = messages_;
  now.events = events_;
  now.busy = std::chrono::nanoseconds(busy_.load());
  now.waiting = std::chrono::nanoseconds(waiting_.load());
  now.p50 = latency_.quantile(0.5);
  now.p99 = latency_.quantile(0.99);
  now.max = latency_.max();
  now.depth = depth_;
  now.depth_peak = depth_peak_;
  now.last_message = last_message_;
  const std::lock_guard lock(mutex_);
  if (in_work_ > 0) now.busy += Clock::now() - working_since_;
  now.counters.insert(counters_.begin(), counters_.end());
  return now;
}

}  // namespace pnflow
