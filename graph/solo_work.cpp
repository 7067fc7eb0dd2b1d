#include "graph/solo_work.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

namespace pnflow {

namespace {

using Tally = SoloNode::Tally;

void add(Tally& tally, const EventStates& states) {
  ++tally.messages;
  tally.events += states.size();
  for (const EventState& event : states) {
    switch (event.fate) {
      case Fate::alive:
      case Fate::delivered: ++tally.passed; break;
      case Fate::vetoed: ++tally.vetoed; break;
      case Fate::failed: ++tally.failed[event.reason]; break;
    }
  }
}

void add(Books::ByReason& sum, const Books::ByReason& more) {
  for (const auto& [reason, count] : more) sum[reason] += count;
}

void add(Tally& sum, const Tally& more) {
  sum.messages += more.messages;
  sum.events += more.events;
  sum.passed += more.passed;
  sum.vetoed += more.vetoed;
  add(sum.failed, more.failed);
  add(sum.unreadable, more.unreadable);
}

// Runs `body` on `threads` threads, this one among them, until all have returned.
template <class Body>
void in_parallel(int threads, const Body& body) {
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(body);
  body();
}

// The same text as the engine's, for an author who tests a node here first.
void check_events(const Batch& batch, const Context& context) {
  if (batch.events() == context.events()) return;
  throw std::logic_error(
      fmt::format("answered {} events for a message of {}", batch.events(), context.events()));
}

}  // namespace

Context SoloWork::context_for(const RecordedInput& in) {
  return {runtime_, in.source, in.number, in.states};
}

void SoloWork::book(const Tally& tally) {
  const std::lock_guard lock(mutex_);
  add(tally_, tally);
}

void SoloWork::book(const EventStates& states) {
  const std::lock_guard lock(mutex_);
  add(tally_, states);
}

// For a body that threw the exception being handled.
void SoloWork::fail(Context& context, Tally& tally) {
  const auto fault = NodeRuntime::current_fault(name());
  if (context.events() > 0) return context.fail_all(fault.reason, fault.detail);
  ++tally.unreadable[fault.reason];
  runtime_.log(LogLevel::warn, fmt::format("message {} of '{}': unreadable: {}", context.message(),
                                           context.source(), fault.text));
}

void SoloWork::process_all(Input input, std::uint64_t begin, std::uint64_t end) {
  const NodeType& type = *runtime_.planned().type;
  std::atomic<std::uint64_t> next{begin};
  in_parallel(at_once_, [&] {
    Tally tally;
    for (std::uint64_t i = next++; i < end; i = next++) {
      const RecordedInput& in = input[i % input.size()];
      Context context = context_for(in);
      try {
        check_events(type.process(runtime_.node(), in.batch, context), context);
      } catch (...) {
        fail(context, tally);
      }
      add(tally, *context.states());
    }
    book(tally);
  });
}

void SoloWork::submit_all(Input input, std::uint64_t begin, std::uint64_t end) {
  auto& node = static_cast<AsyncTransform&>(runtime_.node());
  // Shared, because the last release may still be returning when nobody waits any more.
  const auto credits = std::make_shared<std::counting_semaphore<>>(at_once_);
  for (std::uint64_t i = begin; i < end; ++i) {
    credits->acquire();
    if (region_) {
      ++region_->inside;
      ++region_->admitted;
    }
    const RecordedInput& in = input[i % input.size()];
    Completion completion(context_for(in),
                          [this, credits, region = region_](const std::optional<Batch>& batch,
                                                            const Context& context) {
                            answered(batch, context);
                            if (region) --region->inside;
                            credits->release();
                          });
    try {
      node.submit(in.batch, std::move(completion));
    } catch (...) {
      // The completion was destroyed on the way out and has answered "no answer".
      runtime_.log(LogLevel::error, NodeRuntime::current_fault(name()).text);
    }
  }
  for (int i = 0; i < at_once_; ++i) credits->acquire();
}

void SoloWork::answered(const std::optional<Batch>& batch, const Context& context) {
  if (batch && batch->events() != context.events()) {
    runtime_.log(LogLevel::error, fmt::format("answered {} events for a message of {}",
                                              batch->events(), context.events()));
    const std::lock_guard lock(mutex_);
    ++tally_.messages;
    tally_.events += context.events();
    tally_.failed["error in " + name()] += context.events();
    return;
  }
  book(*context.states());
}

void SoloWork::write_all(Input input, std::uint64_t begin, std::uint64_t end) {
  auto& sink = static_cast<Sink&>(runtime_.node());
  std::counting_semaphore<> room(room_);
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Item> queue;
  bool finished = false;
  const auto write_next = [&] {
    for (;;) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return finished || !queue.empty(); });
      if (queue.empty()) return;
      Item item = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      write(sink, std::move(item));
      room.release();
    }
  };
  std::vector<std::jthread> writers;
  for (int i = 0; i < sink.writers(at_once_); ++i) {
    writers.emplace_back(write_next);
  }
  std::atomic<std::uint64_t> next{begin};
  in_parallel(at_once_, [&] {
    for (std::uint64_t i = next++; i < end; i = next++) {
      room.acquire();
      auto item = prepare(sink, input[i % input.size()]);
      if (!item) {
        room.release();
        continue;
      }
      {
        const std::lock_guard lock(mutex);
        queue.push_back(std::move(*item));
      }
      changed.notify_one();
    }
  });
  {
    const std::lock_guard lock(mutex);
    finished = true;
  }
  changed.notify_all();
}

// Nothing when nothing is left to write.
std::optional<SoloWork::Item> SoloWork::prepare(const Sink& sink, const RecordedInput& in) {
  Context context = context_for(in);
  const bool raw = context.events() == 0;
  std::unique_ptr<Sink::Prepared> prepared;
  bool to_write = true;
  try {
    prepared = sink.prepare(in.batch, context);
    to_write = raw || context.alive_count() > 0;
  } catch (...) {
    to_write = false;
    Tally tally;
    fail(context, tally);
    book(tally);
  }
  Delivery delivery(*context.states(), [this](const EventStates& states) { book(states); });
  if (to_write) return Item{std::move(prepared), std::move(delivery)};
  std::move(delivery).deliver();
  return {};
}

void SoloWork::write(Sink& sink, Item item) {
  try {
    sink.write(std::move(item.prepared), std::move(item.delivery));
  } catch (...) {
    const auto fault = NodeRuntime::current_fault(name());
    runtime_.log(LogLevel::error, fault.text);
    std::move(item.delivery).fail_all(fault.reason);
  }
}

SoloNode::Tally SoloWork::tally() const {
  const std::lock_guard lock(mutex_);
  return tally_;
}

}  // namespace pnflow
