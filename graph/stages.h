#pragma once

#include <oneapi/tbb/flow_graph.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

#include "graph/node_runtime.h"

// How each kind of node becomes nodes of a oneTBB flow graph. Private to graph/.
namespace pnflow {

namespace flow = oneapi::tbb::flow;

// One planned node inside the flow graph: where its messages go in, and where they come out.
class FlowStage {
 public:
  virtual ~FlowStage() = default;
  virtual flow::receiver<Message>& input() = 0;
  virtual flow::sender<Message>* output() { return nullptr; }
  // Work that outlives wait_for_all() on a thread of the stage's own; nothing by default.
  virtual void finish() {}
};

// Puts the messages of one source back into its order. Policy of every node: queueing.
using Sequencer = flow::sequencer_node<Message>;
std::unique_ptr<Sequencer> make_sequencer(flow::graph& graph);

class TransformStage final : public FlowStage {
 public:
  TransformStage(flow::graph& graph, NodeRuntime& runtime);
  flow::receiver<Message>& input() override;
  flow::sender<Message>* output() override { return &body_; }

 private:
  Message run(const Message& in);

  NodeRuntime& runtime_;
  std::unique_ptr<Sequencer> order_;
  flow::function_node<Message, Message> body_;
};

class AsyncStage final : public FlowStage {
 public:
  AsyncStage(flow::graph& graph, NodeRuntime& runtime);
  flow::receiver<Message>& input() override;
  // Not the async_node itself, which is a sender in name only.
  flow::sender<Message>* output() override { return &flow::output_port<0>(body_); }

 private:
  using Body = flow::async_node<Message, Message>;
  void run(const Message& in, Body::gateway_type& gateway);

  NodeRuntime& runtime_;
  std::unique_ptr<Sequencer> order_;
  Body body_;
};

// A limiter: a queue (or sequencer) in front, the limiter_node, and the node that puts the credit
// into each message that is let in. The credit's destructor lets the next one in.
class GateStage final : public FlowStage {
 public:
  GateStage(flow::graph& graph, NodeRuntime& runtime, std::shared_ptr<Region> region);
  flow::receiver<Message>& input() override { return *queue_; }
  flow::sender<Message>* output() override { return &admit_; }

 private:
  // Never limiter_node<Message>: with its default decrement type credits do not return.
  using Limiter = flow::limiter_node<Message, int>;
  Message admit(Message message);

  NodeRuntime& runtime_;
  std::shared_ptr<Region> region_;
  std::unique_ptr<flow::queue_node<Message>> queue_;
  Limiter limiter_;
  flow::function_node<Message, Message> admit_;
};

// prepare() in the graph, write() on threads of its own. A message keeps its slot and its credit
// until it is written, and the graph waits for it.
class SinkStage final : public FlowStage {
 public:
  SinkStage(flow::graph& graph, NodeRuntime& runtime);
  ~SinkStage() override { finish(); }
  flow::receiver<Message>& input() override;
  void finish() override;

 private:
  struct Item {
    Message message;
    std::unique_ptr<Sink::Prepared> prepared;
    Delivery delivery;
  };
  flow::continue_msg run(const Message& in);
  void write_all();
  void write(Item item);
  Delivery delivery_for(const Message& message, const Context& context) const;

  NodeRuntime& runtime_;
  Sink& sink_;
  flow::graph& graph_;
  std::unique_ptr<Sequencer> order_;
  flow::function_node<Message> body_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;
  bool finished_ = false;
  std::vector<std::thread> writers_;
};

std::unique_ptr<FlowStage> make_stage(flow::graph& graph, NodeRuntime& runtime,
                                      const std::shared_ptr<Region>& region);

}  // namespace pnflow
