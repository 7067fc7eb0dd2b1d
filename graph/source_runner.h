#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "graph/node_runtime.h"
#include "graph/window.h"

namespace pnflow {

// Runs one source on a thread of its own: takes a slot of the window, asks for the next message,
// puts it into the graph, until the source has ended.
class SourceRunner final : public SourceContext {
 public:
  // `put` hands a message to the node's successors; false when one of them did not take it.
  using Put = std::function<bool(const Message&)>;
  SourceRunner(NodeRuntime& runtime, std::shared_ptr<Window> window, int deciding_sinks,
               bool keeps_wire, Put put);
  ~SourceRunner() override;

  // `ended` runs on the source's thread, last.
  void start(std::function<void()> ended);
  void join();

  bool stopping() const override { return runtime_.control().stopping(); }
  bool aborting() const override { return runtime_.aborting(); }
  MemoryPool& pool() override { return runtime_.pool(); }
  void log(LogLevel level, std::string_view line) override { runtime_.log(level, line); }
  void count(std::string_view counter, std::uint64_t n) override { runtime_.count(counter, n); }
  void control_message() override;
  void unreadable(std::string_view reason, std::string_view detail) override;
  std::uint64_t decoded_events() const override { return events_; }

 private:
  void run();
  Message message_of(Batch batch, std::shared_ptr<Window::Slot> slot);

  NodeRuntime& runtime_;
  std::shared_ptr<Window> window_;
  int deciding_sinks_;
  bool keeps_wire_;
  Put put_;
  std::atomic<std::uint64_t> events_{0};
  std::uint64_t sequence_ = 0;
  std::thread thread_;
};

}  // namespace pnflow
