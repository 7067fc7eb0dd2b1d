#include "nodes/micro_batcher.h"

#include <algorithm>

namespace pnflow {

namespace {

// How soon an abort is noticed while images wait.
constexpr std::chrono::milliseconds look_around(20);

}  // namespace

void MicroBatcher::add(std::shared_ptr<InferMessage> message) {
  {
    const std::lock_guard lock(mutex_);
    ++submitted_;
    ++here_;
    Group& group = groups_[message->key()];
    group.images += message->images();
    group.messages.push_back({std::move(message), 0, Clock::now()});
  }
  // One message can complete several micro-batches.
  changed_.notify_all();
}

void MicroBatcher::pass() {
  {
    const std::lock_guard lock(mutex_);
    ++submitted_;
  }
  changed_.notify_all();
}

void MicroBatcher::leave() {
  const std::lock_guard lock(mutex_);
  --here_;
}

void MicroBatcher::drain() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  changed_.notify_all();
}

void MicroBatcher::close() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = closed_ = true;
  }
  changed_.notify_all();
}

std::optional<Launch> MicroBatcher::take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto now = Clock::now();
    if (const auto group = ready(now); group != groups_.end()) return take_from(group);
    if (closed_) return {};
    if (groups_.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next_look(now));
    }
  }
}

// Messages whose events have all met their fate before pass this node by, so what the limiter has
// admitted and what has come here differ by more than what is on its way. But when all credits that
// are out belong to messages that are here, nothing is on its way, and the difference is known.
bool MicroBatcher::no_more_can_come() {
  const Region* region = settings_.region.get();
  if (region == nullptr) return false;
  // In this order: a message gets its credit before it counts as admitted.
  const std::uint64_t admitted = region->admitted;
  const int inside = region->inside;
  if (inside <= here_) passed_by_ = admitted - submitted_;
  return inside >= region->capacity && admitted == submitted_ + passed_by_;
}

// Of the groups that need not wait any longer, the one that has waited longest.
MicroBatcher::Groups::iterator MicroBatcher::ready(Clock::time_point now) {
  if (groups_.empty()) return groups_.end();
  const bool hurry = draining_ || settings_.aborting() || no_more_can_come();
  auto best = groups_.end();
  for (auto group = groups_.begin(); group != groups_.end(); ++group) {
    const auto since = group->second.messages.front().since;
    const bool due =
        hurry || group->second.images >= settings_.batch_size || now - since >= settings_.max_wait;
    if (!due) continue;
    if (best == groups_.end() || since < best->second.messages.front().since) best = group;
  }
  return best;
}

MicroBatcher::Clock::time_point MicroBatcher::next_look(Clock::time_point now) const {
  Clock::time_point next = now + look_around;
  for (const auto& [key, group] : groups_) {
    next = std::min<Clock::time_point>(next, group.messages.front().since + settings_.max_wait);
  }
  return next;
}

Launch MicroBatcher::take_from(Groups::iterator at) {
  Group& group = at->second;
  const std::size_t count = std::min(group.images, settings_.batch_size);
  Launch launch;
  launch.batch = {
      at->first.dtype, group.messages.front().message->geometry(), at->first.normalize, {}};
  launch.batch.images.reserve(count);
  launch.parts.reserve(count);
  while (launch.parts.size() < count) {
    Waiting& front = group.messages.front();
    launch.batch.images.push_back(front.message->image(front.next));
    launch.parts.push_back({front.message, front.next});
    if (++front.next == front.message->images()) group.messages.pop_front();
  }
  group.images -= count;
  if (group.images == 0) groups_.erase(at);
  return launch;
}

}  // namespace pnflow
