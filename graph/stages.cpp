#include "graph/stages.h"

#include <utility>

namespace pnflow {

namespace {

// The concurrency of a flow node that runs `workers` bodies at once.
std::size_t concurrency(const PlannedNode& planned) {
  return static_cast<std::size_t>(planned.workers);
}

std::unique_ptr<Sequencer> sequencer_for(flow::graph& graph, const NodeRuntime& runtime) {
  return runtime.planned().resequence ? make_sequencer(graph) : nullptr;
}

// A body that has to do with a message: raw, or with events alive, and the run not being aborted.
// Otherwise the message passes, with its living events failed when the run is being aborted.
std::optional<Message> pass_by(NodeRuntime& runtime, const Message& in) {
  if (!in.payload->wants_work()) return in;
  if (!runtime.aborting()) return {};
  auto payload = std::make_shared<Payload>();
  auto states = std::make_shared<EventStates>(*in.payload->states);
  for (EventState& event : *states) {
    if (event.fate == Fate::alive) event = {Fate::failed, "aborted"};
  }
  payload->stage = in.payload->stage;
  if (in.payload->stage == Stage::raw) {
    payload->stage = Stage::unreadable;
    in.head->account->unreadable("aborted");
  }
  payload->batch = Batch(states->size());
  payload->states = std::move(states);
  Message out = in;
  out.payload = std::move(payload);
  return out;
}

}  // namespace

std::unique_ptr<Sequencer> make_sequencer(flow::graph& graph) {
  return std::make_unique<Sequencer>(
      graph, [](const Message& message) { return std::size_t(message.head->sequence); });
}

std::unique_ptr<FlowStage> make_stage(flow::graph& graph, NodeRuntime& runtime,
                                      const std::shared_ptr<Region>& region) {
  switch (runtime.planned().type->kind) {
    case NodeKind::transform: return std::make_unique<TransformStage>(graph, runtime);
    case NodeKind::async_transform: return std::make_unique<AsyncStage>(graph, runtime);
    case NodeKind::gate: return std::make_unique<GateStage>(graph, runtime, region);
    case NodeKind::sink: return std::make_unique<SinkStage>(graph, runtime);
    case NodeKind::source: break;
  }
  return nullptr;  // a source has a thread, and no place in the flow graph
}

TransformStage::TransformStage(flow::graph& graph, NodeRuntime& runtime)
    : runtime_(runtime),
      order_(sequencer_for(graph, runtime)),
      body_(graph, concurrency(runtime.planned()), [this](const Message& in) { return run(in); }) {
  if (order_) flow::make_edge(*order_, body_);
}

flow::receiver<Message>& TransformStage::input() {
  if (order_) return *order_;
  return body_;
}

Message TransformStage::run(const Message& in) {
  const auto start = runtime_.take_up(in);
  Message out;
  if (auto passed = pass_by(runtime_, in)) {
    out = std::move(*passed);
  } else {
    Context context = runtime_.context_for(in);
    try {
      Batch batch = runtime_.planned().type->process(runtime_.node(), in.payload->batch, context);
      out = runtime_.answered(in, std::move(batch), context);
    } catch (...) {
      out = runtime_.failed(in, context);
    }
  }
  runtime_.finished(*in.head, start, out.payload->states->size());
  return runtime_.hand_on(std::move(out));
}

AsyncStage::AsyncStage(flow::graph& graph, NodeRuntime& runtime)
    : runtime_(runtime),
      order_(sequencer_for(graph, runtime)),
      body_(graph, flow::unlimited,
            [this](const Message& in, Body::gateway_type& gateway) { run(in, gateway); }) {
  if (order_) flow::make_edge(*order_, body_);
}

flow::receiver<Message>& AsyncStage::input() {
  if (order_) return *order_;
  return body_;
}

void AsyncStage::run(const Message& in, Body::gateway_type& gateway) {
  const auto start = runtime_.take_up(in);
  if (auto passed = pass_by(runtime_, in)) {
    runtime_.finished(*in.head, start, passed->payload->states->size());
    gateway.try_put(runtime_.hand_on(std::move(*passed)));
    return;
  }
  gateway.reserve_wait();
  runtime_.metrics().entered();
  auto reply = [this, &gateway, start, held = Message(in)](std::optional<Batch> batch,
                                                           const Context& context) mutable {
    Message out;
    try {
      out = runtime_.answered(held, std::move(batch), context);
    } catch (...) {
      Context failing = runtime_.context_for(held);
      out = runtime_.failed(held, failing);
    }
    runtime_.replied(*held.head, start, context.events());
    gateway.try_put(runtime_.hand_on(std::move(out)));
    // Every handle goes before release_wait(): after it the graph may be gone.
    out = {};
    held = {};
    gateway.release_wait();
  };
  Completion completion(runtime_.context_for(in), std::move(reply));
  try {
    static_cast<AsyncTransform&>(runtime_.node()).submit(in.payload->batch, std::move(completion));
  } catch (...) {
    // The completion was destroyed on the way out and has answered "no answer".
    const auto fault = NodeRuntime::current_fault(runtime_.planned().name);
    runtime_.log(LogLevel::error, fault.text);
  }
  runtime_.submitted(*in.head, start, in.payload->states->size());
}

GateStage::GateStage(flow::graph& graph, NodeRuntime& runtime, std::shared_ptr<Region> region)
    : runtime_(runtime),
      region_(std::move(region)),
      queue_(runtime.planned().resequence ? make_sequencer(graph)
                                          : std::make_unique<flow::queue_node<Message>>(graph)),
      limiter_(graph, static_cast<std::size_t>(region_->capacity)),
      admit_(graph, flow::unlimited,
             [this](Message message) { return admit(std::move(message)); }) {
  flow::make_edge(*queue_, limiter_);
  flow::make_edge(limiter_, admit_);
}

Message GateStage::admit(Message message) {
  struct Credit {
    Credit(NodeRuntime& n, std::shared_ptr<Region> r, flow::receiver<int>& d)
        : runtime(n), region(std::move(r)), back(d) {}
    Credit(const Credit&) = delete;
    Credit& operator=(const Credit&) = delete;
    ~Credit() {
      --region->inside;
      runtime.credits_changed(*region);
      back.try_put(1);
    }
    NodeRuntime& runtime;
    std::shared_ptr<Region> region;
    flow::receiver<int>& back;
  };
  const auto start = runtime_.take_up(message);
  ++region_->inside;
  ++region_->admitted;
  runtime_.credits_changed(*region_);
  message.credit = std::make_shared<Credit>(runtime_, region_, limiter_.decrementer());
  runtime_.finished(*message.head, start, message.payload->states->size());
  return runtime_.hand_on(std::move(message));
}

SinkStage::SinkStage(flow::graph& graph, NodeRuntime& runtime)
    : runtime_(runtime),
      sink_(static_cast<Sink&>(runtime.node())),
      graph_(graph),
      order_(sequencer_for(graph, runtime)),
      body_(graph, concurrency(runtime.planned()), [this](const Message& in) { return run(in); }) {
  if (order_) flow::make_edge(*order_, body_);
  for (int i = 0; i < sink_.writers(runtime.planned().workers); ++i) {
    writers_.emplace_back([this] { write_all(); });
  }
}

flow::receiver<Message>& SinkStage::input() {
  if (order_) return *order_;
  return body_;
}

Delivery SinkStage::delivery_for(const Message& message, const Context& context) const {
  if (runtime_.planned().observer) return {*context.states(), [](const EventStates&) {}};
  return {*context.states(), [account = message.head->account](const EventStates& states) {
            account->settle(states);
          }};
}

flow::continue_msg SinkStage::run(const Message& in) {
  const auto start = runtime_.take_up(in);
  const auto passed = pass_by(runtime_, in);
  Context context = runtime_.context_for(passed ? *passed : in);
  std::unique_ptr<Sink::Prepared> prepared;
  bool to_write = !passed;
  if (to_write) {
    try {
      prepared = sink_.prepare(in.payload->batch, context);
      to_write = in.payload->stage == Stage::raw || context.alive_count() > 0;
    } catch (...) {
      to_write = false;
      runtime_.failed(in, context);
    }
  }
  runtime_.finished(*in.head, start, context.events());
  Delivery delivery = delivery_for(in, context);
  if (!to_write) {
    std::move(delivery).deliver();  // nothing lives: their fates are final
    return {};
  }
  graph_.reserve_wait();
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({in, std::move(prepared), std::move(delivery)});
    queue_.back().message.payload.reset();  // what the sink needs of it, it has prepared
  }
  changed_.notify_one();
  return {};
}

void SinkStage::write_all() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Item item = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    write(std::move(item));
    graph_.release_wait();  // after the message has returned its credit and its slot
  }
}

void SinkStage::write(Item item) {
  if (runtime_.aborting()) return std::move(item.delivery).fail_all("aborted");
  const auto start = Clock::now();
  const std::size_t events = item.delivery.events();
  const auto head = item.message.head;
  try {
    sink_.write(std::move(item.prepared), std::move(item.delivery));
  } catch (...) {
    const auto fault = NodeRuntime::current_fault(runtime_.planned().name);
    runtime_.log(LogLevel::error, fault.text);
    std::move(item.delivery).fail_all(fault.reason);
    runtime_.on_loss(*head, fault.text);
  }
  runtime_.wrote(*head, start, events);
}

void SinkStage::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
  for (std::thread& writer : writers_) writer.join();
  writers_.clear();
}

}  // namespace pnflow
