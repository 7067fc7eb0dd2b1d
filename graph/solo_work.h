#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "graph/input_recorder.h"
#include "graph/node_runtime.h"
#include "graph/solo_node.h"

namespace pnflow {

// How each kind of node is fed by SoloNode, and what becomes of the events. Private to graph/.
class SoloWork {
 public:
  using Input = std::span<const RecordedInput>;

  // `room`: messages of a sink at most between prepare() and the end of write().
  SoloWork(NodeRuntime& runtime, std::shared_ptr<Region> region, int at_once, int room)
      : runtime_(runtime), region_(std::move(region)), at_once_(at_once), room_(room) {}

  // Puts messages number `begin` to `end` of the input, which repeats itself, through the node.
  void process_all(Input input, std::uint64_t begin, std::uint64_t end);
  void submit_all(Input input, std::uint64_t begin, std::uint64_t end);
  void write_all(Input input, std::uint64_t begin, std::uint64_t end);

  SoloNode::Tally tally() const;

 private:
  struct Item {
    std::unique_ptr<Sink::Prepared> prepared;
    Delivery delivery;
  };

  const std::string& name() const { return runtime_.planned().name; }
  Context context_for(const RecordedInput& in);
  void book(const SoloNode::Tally& tally);
  void book(const EventStates& states);
  void fail(Context& context, SoloNode::Tally& tally);
  void answered(const std::optional<Batch>& batch, const Context& context);
  std::optional<Item> prepare(const Sink& sink, const RecordedInput& in);
  void write(Sink& sink, Item item);

  NodeRuntime& runtime_;
  std::shared_ptr<Region> region_;
  int at_once_, room_;
  mutable std::mutex mutex_;  // guards tally_
  SoloNode::Tally tally_;
};

}  // namespace pnflow
