#include "graph/trace.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "graph/log.h"
#include "graph/trace_json.h"
#include "graph/trace_records.h"

namespace pnflow {

namespace {

constexpr std::string_view between_group_and_name = " / ";

std::int64_t ns(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

}  // namespace

class Trace::Impl {
 public:
  explicit Impl(std::size_t limit) { recorded_.limit = limit; }

  void start(Clock::time_point origin) {
    const std::lock_guard lock(mutex_);
    origin_ = origin;
  }

  Track add_track(TraceRecords::Track track) {
    const std::lock_guard lock(mutex_);
    return add_track_locked(std::move(track));
  }

  void span(std::string_view track, std::string_view name, Clock::time_point begin,
            Clock::time_point end, std::uint64_t number) {
    std::unique_lock lock(mutex_);
    if (!takes(lock, end)) return;
    add(begin, end, {.number = number, .track = own_track(track), .text = text(name)});
  }

  void message(Track track, Clock::time_point begin, Clock::time_point end, std::string_view source,
               std::uint64_t number, std::size_t events) {
    std::unique_lock lock(mutex_);
    if (!takes(lock, end)) return;
    add(begin, end,
        {.number = number,
         .track = track,
         .text = text(source),
         .thread = recorded_.tracks[track].layout == Layout::threads ? this_thread() : 0,
         .events = static_cast<std::uint32_t>(events)});
  }

  void value(Track track, const std::atomic<int>& value) {
    std::unique_lock lock(mutex_);
    const auto now = Clock::now();
    if (!takes(lock, now)) return;
    recorded_.records.push_back({.begin = ns(now - origin_), .length = value, .track = track});
  }

  void write(std::ostream& out, std::string_view run) const {
    const std::lock_guard lock(mutex_);
    write_trace_json(out, recorded_, run);
  }

 private:
  // Whether there is room for a record that ends at `end`. Lets go of the lock to say that there is
  // no more.
  bool takes(std::unique_lock<std::mutex>& lock, Clock::time_point end) {
    if (end < origin_) return false;
    if (recorded_.records.size() < recorded_.limit) return true;
    if (recorded_.left_out++ > 0) return false;
    recorded_.full_since = ns(end - origin_);
    lock.unlock();
    logger()->warn("trace: {} records are its limit; what happens from now on is left out",
                   recorded_.limit);
    return false;
  }

  void add(Clock::time_point begin, Clock::time_point end, TraceRecords::Record record) {
    const Clock::time_point from = std::max(begin, origin_);
    record.begin = ns(from - origin_);
    record.length = std::max<std::int64_t>(ns(end - from), 0);
    recorded_.records.push_back(record);
  }

  Track add_track_locked(TraceRecords::Track track) {
    recorded_.tracks.push_back(std::move(track));
    return static_cast<Track>(recorded_.tracks.size() - 1);
  }

  Track own_track(std::string_view name) {
    const auto found = own_tracks_.find(name);
    if (found != own_tracks_.end()) return found->second;
    const std::size_t end = name.find(between_group_and_name);
    const std::string_view in_group =
        end == std::string_view::npos ? name : name.substr(end + between_group_and_name.size());
    const Track track = add_track_locked({std::string(name.substr(0, end)),
                                          std::string(in_group),
                                          {},
                                          "node",
                                          Layout::lanes,
                                          false});
    own_tracks_.emplace(name, track);
    return track;
  }

  std::uint32_t text(std::string_view text) {
    const auto found = texts_.find(text);
    if (found != texts_.end()) return found->second;
    recorded_.texts.emplace_back(text);
    const auto number = static_cast<std::uint32_t>(recorded_.texts.size() - 1);
    texts_.emplace(text, number);
    return number;
  }

  // Counted from 1 in the order in which they first record.
  std::uint32_t this_thread() {
    const auto next = static_cast<std::uint32_t>(threads_.size() + 1);
    return threads_.try_emplace(std::this_thread::get_id(), next).first->second;
  }

  mutable std::mutex mutex_;  // guards what follows
  Clock::time_point origin_ = Clock::time_point::max();
  TraceRecords recorded_;
  std::map<std::string, Track, std::less<>> own_tracks_;
  std::map<std::string, std::uint32_t, std::less<>> texts_;
  std::map<std::thread::id, std::uint32_t> threads_;
};

Trace::Trace(std::size_t limit) : impl_(std::make_unique<Impl>(limit)) {}
Trace::~Trace() = default;

void Trace::start(Clock::time_point origin) { impl_->start(origin); }

Trace::Track Trace::add_track(std::string_view group, std::string_view name, std::string_view label,
                              std::string_view category, Layout layout) {
  return impl_->add_track(
      {std::string(group), std::string(name), std::string(label), std::string(category), layout});
}

void Trace::span(std::string_view track, std::string_view name, Clock::time_point begin,
                 Clock::time_point end, std::uint64_t number) {
  impl_->span(track, name, begin, end, number);
}

void Trace::message(Track track, Clock::time_point begin, Clock::time_point end,
                    std::string_view source, std::uint64_t number, std::size_t events) {
  impl_->message(track, begin, end, source, number, events);
}

void Trace::value(Track track, const std::atomic<int>& value) { impl_->value(track, value); }

void Trace::write(std::ostream& out, std::string_view run) const { impl_->write(out, run); }

}  // namespace pnflow
