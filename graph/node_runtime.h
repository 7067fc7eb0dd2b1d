#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/ledger.h"
#include "graph/message.h"
#include "graph/metrics.h"
#include "graph/node.h"
#include "graph/plan.h"
#include "graph/run_control.h"
#include "graph/trace.h"

namespace pnflow {

// What all nodes of a run share.
struct RunState {
  const Plan& plan;
  Registry& registry;
  RunControl& control;
  Ledger& ledger;
  std::string run_name;
  std::string resolved_config;  // JSON
  Trace* trace = nullptr;       // nullptr: none is recorded
  bool has_arena = false;       // bodies run in an arena of oneTBB, whose threads can share work
};

// One node of a run: the object made from the plan, its services, its measurements, and the rules
// that apply to every node's body (what an exception means, what is done about a loss).
class NodeRuntime final : public NodeServices, public OpenContext {
 public:
  NodeRuntime(RunState& run, std::size_t index);

  const PlannedNode& planned() const { return *planned_; }
  std::size_t index() const { return index_; }
  Node& node() { return *node_; }
  NodeMetrics& metrics() { return metrics_; }
  NodeMetrics& write_metrics() { return write_metrics_; }  // of a sink's write()
  RunControl& control() { return run_.control; }
  Ledger& ledger() { return run_.ledger; }

  void set_region(std::shared_ptr<Region> region) { region_ = std::move(region); }
  void set_pool(std::shared_ptr<MemoryPool> pool) { pool_ = std::move(pool); }
  const std::shared_ptr<MemoryPool>& pool_handle() const { return pool_; }
  void add_successor(NodeRuntime& next) { next_.push_back(&next); }

  // Takes a message up: measures how long it waited.
  Clock::time_point take_up(const Message& message);
  // The node's body has ended for a message with which it began at `start`.
  void finished(const MessageHead& head, Clock::time_point start, std::size_t events);
  // The same for submit(), a sink's write(), and the answer of what was submitted.
  void submitted(const MessageHead& head, Clock::time_point start, std::size_t events);
  void wrote(const MessageHead& head, Clock::time_point start, std::size_t events);
  void replied(const MessageHead& head, Clock::time_point start, std::size_t events);
  // More or fewer credits of the limiter of `region` are out than before.
  void credits_changed(const Region& region);
  // Leaves the message behind for the successors: from here on it waits for them.
  Message hand_on(Message message);
  // The message with the payload that a body has made of it. `batch` is nothing when the body
  // failed, for the reason `what`; `context` has the fates.
  Message answered(const Message& in, std::optional<Batch> batch, const Context& context,
                   const std::string& what = {});
  // The same for a body that threw the exception being handled.
  Message failed(const Message& in, Context& context);
  // What the exception being handled means: a reason for the books, what is to be said beside it,
  // and a text that says it all.
  struct Fault {
    std::string reason, detail, text;
  };
  static Fault current_fault(const std::string& node);
  Context context_for(const Message& message);
  // Applies `on_error` to a message that has lost something in this node.
  void on_loss(const MessageHead& head, const std::string& what);

  // NodeServices
  MemoryPool& pool() override { return *pool_; }
  void log(LogLevel level, std::string_view line) override;
  void count(std::string_view counter, std::uint64_t n) override { metrics_.count(counter, n); }
  bool aborting() const override { return run_.control.aborting(); }
  void fail_run(std::string_view error) override;
  Trace* trace() override { return run_.trace; }
  void share_out(std::size_t n, const std::function<void(std::size_t)>& body) override;

  // OpenContext
  const std::string& node_name() const override { return planned_->name; }
  NodeServices& services() override { return *this; }
  std::shared_ptr<const Region> region() const override { return region_; }
  Registry& registry() override { return run_.registry; }
  void expect_events(std::uint64_t events) override { run_.ledger.expect(events); }
  int window() const override { return run_.plan.window; }
  const std::string& run_name() const override { return run_.run_name; }
  const std::string& resolved_config() const override { return run_.resolved_config; }
  OnError on_error() const override { return planned_->on_error; }

 private:
  // Where what is recorded of the node is shown.
  struct Tracks {
    Trace::Track body, submit, in_work, write, queue, credits;
  };
  void add_tracks(Trace& trace);
  void keep(const MessageHead& head, const std::string& what);

  RunState& run_;
  std::size_t index_;
  const PlannedNode* planned_;
  std::unique_ptr<Node> node_;
  NodeMetrics metrics_, write_metrics_;
  Tracks tracks_{};
  std::shared_ptr<MemoryPool> pool_ = heap_pool();
  std::shared_ptr<Region> region_;
  std::vector<NodeRuntime*> next_;
};

}  // namespace pnflow
