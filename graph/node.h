#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/batch.h"
#include "graph/context.h"
#include "graph/export.h"
#include "graph/figure.h"
#include "graph/memory.h"

namespace pnflow {

class Registry;
enum class OnError : std::uint8_t;

// The limiter region in front of a node: how many messages its limiter lets in at once, and how
// many it has let in since the start. What has been admitted and has not reached the node is on
// its way. Thread-safe.
struct Region {
  int capacity = 0;
  std::atomic<std::uint64_t> admitted{0};  // since the start
  std::atomic<int> inside{0};              // credits that are out now
};

// What open() may use. Valid during open() only, but what it hands out stays valid until close().
class PNFLOW_API OpenContext {
 public:
  virtual ~OpenContext();
  virtual const std::string& node_name() const = 0;
  virtual NodeServices& services() = 0;
  // The limiter region that the node stands in; nullptr when no limiter is in front.
  virtual std::shared_ptr<const Region> region() const = 0;
  // Where engines and other extensions are found by name, and modules are loaded into.
  virtual Registry& registry() = 0;
  // A source that knows how many events its run has: shown as ETA, and `missing` in the report.
  virtual void expect_events(std::uint64_t events) = 0;
  // Messages that can be alive at once: what sizes a pool.
  virtual int window() const = 0;
  // Name of this run, unique among processes and hosts; output names are built from it.
  virtual const std::string& run_name() const = 0;
  // The configuration as it runs, defaults and overrides resolved, as JSON.
  virtual const std::string& resolved_config() const = 0;
  // What `on_error` says. The framework acts on it for what a node throws; a node that has threads
  // of its own does so for what they meet.
  virtual OnError on_error() const = 0;
};

// Base of all nodes. Life: construct (cheap, touches nothing) -> open() from sinks to sources ->
// run -> draining() -> close() from sources to sinks. open() and close() run on the main thread;
// an exception of open() ends the run before it begins.
class PNFLOW_API Node {
 public:
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node();
  virtual void open(OpenContext&) {}
  // The sources have ended: no more messages than those on their way will come.
  virtual void draining() {}
  virtual void close() {}
  // Memory that this node wants its input to be in (pinned, for a GPU); the nodes upstream of it
  // get it as Context::pool(). Asked for after open(). nullptr: no wish.
  virtual std::shared_ptr<MemoryPool> input_pool() { return nullptr; }
  // What this node has measured of itself so far. Called from any thread, again and again, from the
  // end of open() on, also beside and after close(). Must not throw.
  virtual std::vector<Figure> figures() { return {}; }
};

// What a source may ask while it runs.
class PNFLOW_API SourceContext {
 public:
  virtual ~SourceContext();
  // True once the run shall end (a signal, another node's error): take what is already here,
  // then return nothing.
  virtual bool stopping() const = 0;
  virtual bool aborting() const = 0;
  virtual MemoryPool& pool() = 0;
  virtual void log(LogLevel level, std::string_view line) = 0;
  virtual void count(std::string_view counter, std::uint64_t n = 1) = 0;
  // Books a message that carried no data (an end marker): received, and nothing more comes of it.
  virtual void control_message() = 0;
  // Books a message that was received but cannot be handed on.
  virtual void unreadable(std::string_view reason, std::string_view detail) = 0;
  // Events of this source that have been decoded so far, here or downstream.
  virtual std::uint64_t decoded_events() const = 0;
};

// Gives messages, on a thread of its own, which it may block; the engine holds a slot of the
// window for the message before it asks, so what is not asked for stays where it is.
class PNFLOW_API Source : public Node {
 public:
  ~Source() override;
  // The next message: raw (no events, field "wire") or decoded. Nothing: the source has ended.
  // Must notice SourceContext::stopping() within about 100 ms.
  // An exception ends the run with exit code 1 after what was received has been worked off.
  virtual std::optional<Batch> next(SourceContext&) = 0;
  // The run is being aborted, or next() has thrown, and it is not called any more: messages that
  // were received and not handed on are to be booked as unreadable. Must not throw.
  virtual void abandon(SourceContext&) {}
};

// One message in, one out. The derived class provides, and the registry finds by its signature,
//   Batch process(const Batch&, Context&) const;   // may run for several messages at once
//   Batch process(const Batch&, Context&);         // runs for one message at a time
// The batch that it returns has the same events, in the same order; events that are not alive may
// hold anything. Exceptions: DataError and any other fail the message's living events (a decoder's:
// make the message unreadable), as `on_error` says.
class PNFLOW_API Transform : public Node {
 public:
  ~Transform() override;
};

// The answer that an AsyncTransform owes for one message. Movable between threads; used by one at
// a time. Destroyed unanswered, it fails the living events with "no answer".
class PNFLOW_API Completion {
 public:
  using Reply = std::function<void(std::optional<Batch>, const Context&)>;
  Completion(Context context, Reply reply);
  Completion(Completion&&) noexcept;
  Completion& operator=(Completion&&) = delete;
  ~Completion();

  // Fates of the message's events: veto and fail here, before the answer.
  Context& context() { return context_; }
  void answer(Batch batch) &&;

 private:
  Context context_;
  Reply reply_;
};

// One message in, one out, later, from any thread: for work that waits (a GPU, a timer).
class PNFLOW_API AsyncTransform : public Node {
 public:
  ~AsyncTransform() override;
  // Takes the message and returns at once; called for several messages at a time, from any thread.
  // The batch and the completion are the node's until it answers. Never called for a message
  // without living events.
  virtual void submit(Batch batch, Completion completion) = 0;
};

// What a sink owes for one message: whether its living events have arrived where they belong. It
// holds no pixels, no credit and no slot of the window, so it may be kept until a file is closed.
// Destroyed unanswered, it fails them with "not delivered".
class PNFLOW_API Delivery {
 public:
  using Reply = std::function<void(EventStates)>;
  Delivery(EventStates states, Reply reply);
  Delivery(Delivery&&) noexcept;
  Delivery& operator=(Delivery&&) = delete;
  ~Delivery();

  std::size_t events() const { return states_.size(); }
  bool alive(std::size_t event) const { return states_[event].fate == Fate::alive; }
  void veto(std::size_t event, std::string_view reason);
  void fail(std::size_t event, std::string_view reason);
  // Final: every event still alive is delivered / has failed.
  void deliver() &&;
  void fail_all(std::string_view reason) &&;

 private:
  void settle(Fate fate, std::string_view reason);

  EventStates states_;
  Reply reply_;
};

// The end of a path. prepare() runs in parallel (`workers`), write() on the sink's own threads,
// which it may block. There is one, unless writers() says otherwise: one message after the other in
// the order in which they were prepared.
class PNFLOW_API Sink : public Node {
 public:
  // What prepare() hands to write(): whatever the sink derives from it.
  struct PNFLOW_API Prepared {
    Prepared() = default;
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    virtual ~Prepared();
  };
  ~Sink() override;
  // Never called for a decoded message without living events.
  virtual std::unique_ptr<Prepared> prepare(const Batch&, Context&) const = 0;
  // May keep `delivery` for later (move from it). An exception fails the message's living events,
  // as does one of prepare().
  virtual void write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) = 0;
  // How many messages write() takes at once when `workers` are prepared at once.
  virtual int writers(int workers) const;
};

// Bounds the messages in the region behind it, which ends at the next gate or at the end of each
// path. The engine does the work.
class PNFLOW_API Gate : public Node {
 public:
  ~Gate() override;
  virtual int capacity() const = 0;
};

}  // namespace pnflow
