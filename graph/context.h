#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "graph/export.h"
#include "graph/fate.h"
#include "graph/memory.h"

namespace pnflow {

class Trace;

enum class LogLevel : std::uint8_t { debug, info, warn, error };

// What a node may ask of the run that it is part of. Thread-safe. The default implementation
// serves a node that is tested alone: heap memory, log lines to stderr, counts dropped.
class PNFLOW_API NodeServices {
 public:
  virtual ~NodeServices();
  virtual MemoryPool& pool();
  // `line` is one line without its end; the node's name is put in front.
  virtual void log(LogLevel level, std::string_view line);
  // Adds to a named count of the node, shown in its row of the final table and in the report.
  virtual void count(std::string_view counter, std::uint64_t n);
  // True once the run is being aborted: a long body should return at once, with anything.
  virtual bool aborting() const;
  // The run cannot go on (a device is lost): the sources stop, what was received is worked off, and
  // the run ends with exit code 1 and `error`, the node's name in front. Of several the first
  // counts. The caller still owes an answer for each message that it holds. Alone: logged.
  virtual void fail_run(std::string_view error);
  // The timeline of the run, for work that the framework does not see; nullptr: none is recorded.
  // The same from open() on. Alone: nullptr.
  virtual Trace* trace();
  // Calls body(0) to body(n - 1), each once, and returns when all have; the calling thread does its
  // part, and those of the run's that are idle theirs. An exception is passed on, and calls that
  // have not begun are then left out. Alone: one after the other.
  virtual void share_out(std::size_t n, const std::function<void(std::size_t)>& body);
};

PNFLOW_API NodeServices& standalone_services();

// One message in the hands of one node: the fates of its events, and the services of the run. Used
// by one thread at a time.
class PNFLOW_API Context {
 public:
  // For tests of one node: a message with `events` living events.
  explicit Context(std::size_t events = 0);
  Context(NodeServices& services, std::string source, std::uint64_t message,
          std::shared_ptr<const EventStates> states);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  Context(Context&&) = default;
  Context& operator=(Context&&) = default;
  ~Context() = default;

  // Sequence number of the message at its source, from 0, and that source's node name.
  std::uint64_t message() const { return message_; }
  const std::string& source() const { return source_; }

  std::size_t events() const { return states_->size(); }
  bool alive(std::size_t event) const { return (*states_)[event].fate == Fate::alive; }
  std::size_t alive_count() const;

  // A decoder, having learned how many events the message holds. Throws std::logic_error when
  // the message has events already.
  void open_events(std::size_t events);
  // The event is not worth keeping / cannot be used. No effect on one that is not alive.
  void veto(std::size_t event, std::string_view reason);
  // A failure is logged, with the message, the event and `detail`.
  void fail(std::size_t event, std::string_view reason, std::string_view detail = {});
  void fail_all(std::string_view reason, std::string_view detail = {});

  MemoryPool& pool() const { return services_->pool(); }
  void log(LogLevel level, std::string_view line) const { services_->log(level, line); }
  void count(std::string_view counter, std::uint64_t n = 1) const { services_->count(counter, n); }
  bool aborting() const { return services_->aborting(); }

  // For parts of one message that are worth a thread each, 0.1 ms and more; inside of process().
  // The parts may not use this object, other than alive() and aborting().
  void share_out(std::size_t n, const std::function<void(std::size_t)>& body) const {
    services_->share_out(n, body);
  }

  const std::shared_ptr<const EventStates>& states() const { return states_; }

 private:
  EventStates& writable();

  NodeServices* services_;
  std::string source_;
  std::uint64_t message_ = 0;
  std::shared_ptr<const EventStates> states_;  // shared with other paths until first changed
  std::shared_ptr<EventStates> own_;
};

}  // namespace pnflow
