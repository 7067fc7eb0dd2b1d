#include "graph/source_runner.h"

#include <fmt/format.h>

#include <utility>

namespace pnflow {

SourceRunner::SourceRunner(NodeRuntime& runtime, std::shared_ptr<Window> window, int deciding_sinks,
                           bool keeps_wire, Put put)
    : runtime_(runtime),
      window_(std::move(window)),
      deciding_sinks_(deciding_sinks),
      keeps_wire_(keeps_wire),
      put_(std::move(put)) {}

SourceRunner::~SourceRunner() { join(); }

void SourceRunner::start(std::function<void()> ended) {
  thread_ = std::thread([this, ended = std::move(ended)] {
    try {
      run();
    } catch (...) {
      runtime_.fail_run(NodeRuntime::current_fault(runtime_.planned().name).text);
      static_cast<Source&>(runtime_.node()).abandon(*this);
    }
    ended();
  });
}

void SourceRunner::join() {
  if (thread_.joinable()) thread_.join();
}

void SourceRunner::run() {
  auto& source = static_cast<Source&>(runtime_.node());
  while (!aborting()) {
    auto slot = window_->acquire([this] { return aborting(); });
    if (!slot) break;
    const auto asked = Clock::now();
    auto batch = source.next(*this);
    if (!batch) break;
    const std::size_t events = batch->events();
    slot->occupy();
    const Message message = message_of(std::move(*batch), std::move(slot));
    runtime_.finished(*message.head, asked, events);
    if (!put_(message)) {
      throw std::logic_error(fmt::format("message {} found the graph closed", sequence_ - 1));
    }
  }
  if (aborting()) source.abandon(*this);
}

Message SourceRunner::message_of(Batch batch, std::shared_ptr<Window::Slot> slot) {
  runtime_.ledger().received();
  auto head = std::make_shared<MessageHead>();
  head->source = &runtime_.planned().name;
  head->sequence = sequence_++;
  head->slot = std::move(slot);
  head->account = std::make_shared<Account>(runtime_.ledger(), events_, deciding_sinks_);
  // The bytes of a part are those of the whole, which is still there to be looked at.
  const bool is_part = batch.attribute("wire_share") != nullptr;
  if (const Array* wire = batch.find("wire"); wire && keeps_wire_ && !is_part) head->wire = *wire;
  auto payload = std::make_shared<Payload>();
  payload->stage = batch.events() > 0 ? Stage::decoded : Stage::raw;
  payload->states = std::make_shared<const EventStates>(batch.events());
  if (payload->stage == Stage::decoded) head->account->opened(batch.events());
  payload->batch = std::move(batch);
  Message message;
  message.head = std::move(head);
  message.payload = std::move(payload);
  return runtime_.hand_on(std::move(message));
}

void SourceRunner::control_message() {
  runtime_.ledger().received();
  runtime_.ledger().control();
}

void SourceRunner::unreadable(std::string_view reason, std::string_view detail) {
  runtime_.ledger().received();
  runtime_.ledger().retire_unreadable(reason);
  log(LogLevel::warn, fmt::format("a message is unreadable: {}: {}", reason, detail));
}

}  // namespace pnflow
