#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "graph/error.h"
#include "graph/registry.h"

// Nodes for tests of the engine: each misbehaves in one way.
namespace pnflow::test {

using namespace std::chrono_literals;

inline Batch numbered(std::size_t events, std::uint64_t first) {
  Batch batch(events);
  std::vector<std::uint64_t> numbers(events);
  for (std::size_t i = 0; i < events; ++i) numbers[i] = first + i;
  batch.set("number", array_of(*heap_pool(), numbers));
  return batch;
}

struct Counting : Source {
  struct Params {
    int messages = 10, events = 1;
    bool raw = false;
    int throw_at = -1;  // message at which next() throws
  };
  static void describe(Spec<Params>&) {}
  explicit Counting(Params p) : params(p) {}
  std::optional<Batch> next(SourceContext& context) override {
    if (sent == params.messages || context.stopping()) return {};
    if (sent == params.throw_at) throw std::runtime_error("the source broke");
    const auto number = static_cast<std::uint64_t>(sent++);
    const auto events = static_cast<std::size_t>(params.events);
    if (!params.raw) return numbered(events, number * events);
    Batch wire;
    wire.set_message_field("wire", array_of(*heap_pool(), std::vector<std::uint64_t>{number}));
    return wire;
  }
  Params params;
  int sent = 0;
};

struct Decoding : Transform {
  struct Params {
    int events = 1;
    int bad_every = 0;  // every so many-th message is unreadable
  };
  static void describe(Spec<Params>& s) { s.opens_events(); }
  explicit Decoding(Params p) : params(p) {}
  Batch process(const Batch& in, Context& context) const {
    const auto number = in.array("wire").as<std::uint64_t>()[0];
    if (params.bad_every > 0 && number % static_cast<std::uint64_t>(params.bad_every) == 0) {
      throw DataError("truncated", "by the test");
    }
    context.open_events(static_cast<std::size_t>(params.events));
    return numbered(static_cast<std::size_t>(params.events),
                    number * static_cast<std::uint64_t>(params.events));
  }
  Params params;
};

// Late now and then; fails or vetoes some events; throws for some messages.
struct Working : Transform {
  struct Params {
    int late_every = 0, fail_every = 0, veto_every = 0, throw_every = 0;
    bool wrong_count = false;
  };
  static void describe(Spec<Params>&) {}
  explicit Working(Params p) : params(p) {}
  static bool hits(std::uint64_t n, int every) {
    return every > 0 && n % static_cast<std::uint64_t>(every) == 0;
  }
  Batch process(const Batch& in, Context& context) const {
    const auto numbers = in.array("number").as<std::uint64_t>();
    if (hits(context.message(), params.late_every)) std::this_thread::sleep_for(1ms);
    if (hits(context.message(), params.throw_every)) throw DataError("bad luck", "by the test");
    for (std::size_t i = 0; i < context.events(); ++i) {
      if (hits(numbers[i], params.fail_every)) context.fail(i, "seventh");
      if (hits(numbers[i], params.veto_every)) context.veto(i, "dull");
    }
    return params.wrong_count ? numbered(in.events() + 1, 0) : in;
  }
  Params params;
};

// Answers from a thread of its own, and now and then not at all.
struct Answering : AsyncTransform {
  struct Params {
    int drop_every = 0;
  };
  static void describe(Spec<Params>&) {}
  explicit Answering(Params p) : params(p) {}
  void open(OpenContext&) override {
    thread = std::jthread([this](std::stop_token stop) {
      for (int n = 1;; ++n) {
        std::unique_lock lock(mutex);
        if (!changed.wait(lock, stop, [this] { return !queue.empty(); })) return;
        auto [batch, completion] = std::move(queue.front());
        queue.pop_front();
        lock.unlock();
        if (!Working::hits(static_cast<std::uint64_t>(n), params.drop_every)) {
          std::move(completion).answer(std::move(batch));
        }
      }
    });
  }
  void close() override { thread = {}; }
  void submit(Batch batch, Completion completion) override {
    {
      const std::lock_guard lock(mutex);
      queue.emplace_back(std::move(batch), std::move(completion));
    }
    changed.notify_one();
  }
  Params params;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<std::pair<Batch, Completion>> queue;
  std::jthread thread;
};

// What sinks saw, in the order of write(). Outlives the run.
struct Seen {
  std::mutex mutex;
  std::vector<std::uint64_t> numbers;
  bool closed = false;
};

struct Collecting : Sink {
  struct Params {
    std::shared_ptr<Seen> seen = std::make_shared<Seen>();
    bool late_delivery = false;  // delivers in close(), as a writer of files does
    int fail_every = 0;          // write() throws
    bool forgets = false;        // never says what became of its events
    std::chrono::microseconds delay{0};
  };
  static void describe(Spec<Params>&) {}
  explicit Collecting(Params p) : params(std::move(p)) {}
  struct Numbers : Prepared {
    std::vector<std::uint64_t> numbers;
  };
  std::unique_ptr<Prepared> prepare(const Batch& batch, Context& context) const override {
    auto out = std::make_unique<Numbers>();
    if (!batch.has("number")) return out;
    const auto numbers = batch.array("number").as<std::uint64_t>();
    for (std::size_t i = 0; i < context.events(); ++i) {
      if (context.alive(i)) out->numbers.push_back(numbers[i]);
    }
    return out;
  }
  void write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) override {
    std::this_thread::sleep_for(params.delay);
    ++written;
    if (params.fail_every > 0 && written % params.fail_every == 0)
      throw DataError("write", "disk full");
    {
      const std::lock_guard lock(params.seen->mutex);
      const auto& numbers = static_cast<Numbers&>(*prepared).numbers;
      params.seen->numbers.insert(params.seen->numbers.end(), numbers.begin(), numbers.end());
    }
    if (params.forgets) return static_cast<void>(Delivery(std::move(delivery)));
    if (params.late_delivery) return static_cast<void>(pending.emplace_back(std::move(delivery)));
    std::move(delivery).deliver();
  }
  void close() override {
    for (auto& delivery : pending) std::move(delivery).deliver();
    pending.clear();
    params.seen->closed = true;
  }
  Params params;
  int written = 0;
  std::vector<Delivery> pending;
};

struct Limit : Gate {
  struct Params {
    int capacity = 2;
  };
  static void describe(Spec<Params>&) {}
  explicit Limit(Params p) : params(p) {}
  int capacity() const override { return params.capacity; }
  Params params;
};

}  // namespace pnflow::test
