#include "graph/node_runtime.h"

#include <fmt/format.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <filesystem>
#include <fstream>
#include <new>

#include "graph/common_keys.h"
#include "graph/error.h"
#include "graph/log.h"

namespace pnflow {

namespace {

spdlog::level::level_enum log_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: break;
  }
  return spdlog::level::err;
}

std::size_t count_failed(const EventStates& states) {
  return static_cast<std::size_t>(std::ranges::count(states, Fate::failed, &EventState::fate));
}

}  // namespace

NodeRuntime::NodeRuntime(RunState& run, std::size_t index)
    : run_(run),
      index_(index),
      planned_(&run.plan.nodes[index]),
      node_(planned_->type->make(planned_->params.get())) {
  if (run.trace) add_tracks(*run.trace);
}

void NodeRuntime::add_tracks(Trace& trace) {
  using Layout = Trace::Layout;
  const std::string& name = planned_->name;
  if (planned_->type->kind == NodeKind::source) {
    tracks_.body = trace.add_track(name, "source", name, "message", Layout::lanes);
    return;
  }
  tracks_.body = trace.add_track(name, "worker", name, "message", Layout::threads);
  tracks_.queue = trace.add_track(name, "queue", "messages", "queue", Layout::values);
  switch (planned_->type->kind) {
    case NodeKind::async_transform:
      tracks_.submit = trace.add_track(name, "worker", name + " submit", "submit", Layout::threads);
      tracks_.in_work = trace.add_track(name, "in work", name, "message", Layout::lanes);
      break;
    case NodeKind::gate:
      tracks_.credits = trace.add_track(name, "credits out", "credits", "credits", Layout::values);
      break;
    case NodeKind::sink:
      tracks_.write = trace.add_track(name, "write", name + " write", "write", Layout::lanes);
      break;
    default: break;
  }
}

void NodeRuntime::log(LogLevel level, std::string_view line) {
  logger()->log(log_level(level), "{}: {}", planned_->name, line);
}

void NodeRuntime::fail_run(std::string_view error) {
  run_.control.fail(fmt::format("{}: {}", planned_->name, error));
}

// Isolated: while it waits for the others, a thread must not take up another message.
void NodeRuntime::share_out(std::size_t n, const std::function<void(std::size_t)>& body) {
  namespace tbb = oneapi::tbb;
  if (!run_.has_arena || n < 2) return NodeServices::share_out(n, body);
  tbb::this_task_arena::isolate([&] {
    tbb::task_group_context own(tbb::task_group_context::isolated);  // its end is not the graph's
    tbb::parallel_for(
        tbb::blocked_range<std::size_t>(0, n, 1),
        [&](const tbb::blocked_range<std::size_t>& part) {
          for (std::size_t i = part.begin(); i != part.end(); ++i) body(i);
        },
        tbb::simple_partitioner(), own);
  });
}

Clock::time_point NodeRuntime::take_up(const Message& message) {
  const auto now = Clock::now();
  metrics_.taken_up(now - message.handed_on, message.head->sequence);
  if (run_.trace) run_.trace->value(tracks_.queue, metrics_.depth());
  return now;
}

void NodeRuntime::finished(const MessageHead& head, Clock::time_point start, std::size_t events) {
  const auto end = Clock::now();
  metrics_.finished(end - start, events);
  if (run_.trace)
    run_.trace->message(tracks_.body, start, end, *head.source, head.sequence, events);
}

void NodeRuntime::submitted(const MessageHead& head, Clock::time_point start, std::size_t events) {
  if (!run_.trace) return;
  run_.trace->message(tracks_.submit, start, Clock::now(), *head.source, head.sequence, events);
}

void NodeRuntime::wrote(const MessageHead& head, Clock::time_point start, std::size_t events) {
  const auto end = Clock::now();
  write_metrics_.finished(end - start, events);
  if (run_.trace)
    run_.trace->message(tracks_.write, start, end, *head.source, head.sequence, events);
}

void NodeRuntime::replied(const MessageHead& head, Clock::time_point start, std::size_t events) {
  const auto end = Clock::now();
  metrics_.answered(end - start, events);
  if (run_.trace)
    run_.trace->message(tracks_.in_work, start, end, *head.source, head.sequence, events);
}

void NodeRuntime::credits_changed(const Region& region) {
  if (run_.trace) run_.trace->value(tracks_.credits, region.inside);
}

Message NodeRuntime::hand_on(Message message) {
  message.handed_on = Clock::now();
  for (NodeRuntime* next : next_) next->metrics_.arrived();
  return message;
}

Context NodeRuntime::context_for(const Message& message) {
  return {*this, *message.head->source, message.head->sequence, message.payload->states};
}

Message NodeRuntime::answered(const Message& in, std::optional<Batch> batch, const Context& context,
                              const std::string& what) {
  auto payload = std::make_shared<Payload>();
  payload->stage = in.payload->stage;
  payload->states = context.states();
  if (payload->stage == Stage::raw && context.events() > 0) {
    payload->stage = Stage::decoded;
    in.head->account->opened(context.events());
  }
  if (batch && payload->wants_work()) {
    if (batch->events() != context.events()) {
      throw std::logic_error(
          fmt::format("answered {} events for a message of {}", batch->events(), context.events()));
    }
    payload->batch = std::move(*batch);
  } else {
    payload->batch = Batch(context.events());  // nothing alive: its pixels are not needed further
  }
  const std::size_t lost = count_failed(*payload->states) - count_failed(*in.payload->states);
  if (lost > 0 && !aborting()) {
    on_loss(*in.head, what.empty() ? fmt::format("{} events failed", lost) : what);
  }
  Message out = in;
  out.payload = std::move(payload);
  return out;
}

NodeRuntime::Fault NodeRuntime::current_fault(const std::string& node) {
  try {
    throw;
  } catch (const DataError& error) {
    return {error.reason(), std::string(error.detail()), error.what()};
  } catch (const std::bad_alloc&) {
    return {"out of memory", {}, "out of memory"};
  } catch (const std::exception& error) {
    return {"error in " + node, error.what(), error.what()};
  } catch (...) {
    constexpr const char* unknown = "an exception of an unknown type";
    return {"error in " + node, unknown, unknown};
  }
}

Message NodeRuntime::failed(const Message& in, Context& context) {
  const Fault fault = current_fault(planned_->name);
  if (in.payload->stage == Stage::raw && context.events() == 0) {
    log(LogLevel::warn, fmt::format("message {} of '{}': unreadable: {}", in.head->sequence,
                                    *in.head->source, fault.text));
    in.head->account->unreadable(fault.reason);
    if (!aborting()) on_loss(*in.head, fault.text);
    Message out = in;
    out.payload = std::make_shared<Payload>(
        Payload{.stage = Stage::unreadable, .batch = {}, .states = context.states()});
    return out;
  }
  context.fail_all(fault.reason, fault.detail);
  return answered(in, {}, context, fault.text);
}

void NodeRuntime::on_loss(const MessageHead& head, const std::string& what) {
  switch (planned_->on_error) {
    case OnError::skip: return;
    case OnError::keep: return keep(head, what);
    case OnError::stop:
    case OnError::wait:
      run_.control.fail(fmt::format("{}: message {} of '{}': {} (on_error: {})", planned_->name,
                                    head.sequence, *head.source, what,
                                    pnflow::name_of(planned_->on_error)));
  }
}

void NodeRuntime::keep(const MessageHead& head, const std::string& what) {
  namespace fs = std::filesystem;
  const fs::path directory = run_.plan.keep_directory;
  const fs::path stem =
      directory / fmt::format("{}-{}-{:08}", run_.run_name, *head.source, head.sequence);
  std::error_code ignored;  // a failure shows when the file is written
  fs::create_directories(directory, ignored);
  const auto store = [&](const char* suffix, std::string_view text) {
    const std::string file = stem.string() + suffix;
    std::ofstream out(file, std::ios::binary);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (out.flush()) return log(LogLevel::info, fmt::format("message kept as '{}'", file));
    log(LogLevel::error, fmt::format("cannot keep the message as '{}'", file));
  };
  store(".txt", fmt::format("{}: {}\n", planned_->name, what));
  const auto bytes = head.wire.raw();
  if (!bytes.empty()) store(".bin", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace pnflow
