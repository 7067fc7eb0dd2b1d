#include "graph/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace pnflow {

namespace {

const char* word_for(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warning";
    case LogLevel::error: break;
  }
  return "error";
}

std::shared_ptr<const EventStates> no_events() {
  static const auto none = std::make_shared<const EventStates>();
  return none;
}

}  // namespace

NodeServices::~NodeServices() = default;

MemoryPool& NodeServices::pool() { return *heap_pool(); }

void NodeServices::log(LogLevel level, std::string_view line) {
  fmt::print(stderr, "{}: {}\n", word_for(level), line);
}

void NodeServices::count(std::string_view, std::uint64_t) {}

bool NodeServices::aborting() const { return false; }

void NodeServices::fail_run(std::string_view error) { log(LogLevel::error, error); }

Trace* NodeServices::trace() { return nullptr; }

void NodeServices::share_out(std::size_t n, const std::function<void(std::size_t)>& body) {
  for (std::size_t i = 0; i < n; ++i) body(i);
}

NodeServices& standalone_services() {
  static NodeServices services;
  return services;
}

Context::Context(std::size_t events)
    : services_(&standalone_services()),
      source_("test"),
      states_(events == 0 ? no_events() : std::make_shared<const EventStates>(events)) {}

Context::Context(NodeServices& services, std::string source, std::uint64_t message,
                 std::shared_ptr<const EventStates> states)
    : services_(&services),
      source_(std::move(source)),
      message_(message),
      states_(states ? std::move(states) : no_events()) {}

std::size_t Context::alive_count() const {
  return static_cast<std::size_t>(std::ranges::count(*states_, Fate::alive, &EventState::fate));
}

void Context::open_events(std::size_t events) {
  if (!states_->empty()) throw std::logic_error("the message has events already");
  own_ = std::make_shared<EventStates>(events);
  states_ = own_;
}

EventStates& Context::writable() {
  if (!own_) {
    own_ = std::make_shared<EventStates>(*states_);
    states_ = own_;
  }
  return *own_;
}

void Context::veto(std::size_t event, std::string_view reason) {
  if (alive(event)) writable()[event] = {Fate::vetoed, std::string(reason)};
}

void Context::fail(std::size_t event, std::string_view reason, std::string_view detail) {
  if (!alive(event)) return;
  writable()[event] = {Fate::failed, std::string(reason)};
  log(LogLevel::warn, fmt::format("message {} of '{}', event {}: failed: {}{}{}", message_, source_,
                                  event, reason, detail.empty() ? "" : ": ", detail));
}

void Context::fail_all(std::string_view reason, std::string_view detail) {
  std::size_t failed = 0;
  for (std::size_t i = 0; i < events(); ++i) {
    if (!alive(i)) continue;
    writable()[i] = {Fate::failed, std::string(reason)};
    ++failed;
  }
  if (failed == 0) return;
  log(LogLevel::warn, fmt::format("message {} of '{}': {} events failed: {}{}{}", message_, source_,
                                  failed, reason, detail.empty() ? "" : ": ", detail));
}

}  // namespace pnflow
