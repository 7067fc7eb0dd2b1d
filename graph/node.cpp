#include "graph/node.h"

#include <utility>

namespace pnflow {

// The bases' destructors stand here, so that each class has one home for its virtual table, the
// shared library, whoever derives from it.
OpenContext::~OpenContext() = default;
Node::~Node() = default;
SourceContext::~SourceContext() = default;
Source::~Source() = default;
Transform::~Transform() = default;
AsyncTransform::~AsyncTransform() = default;
Sink::~Sink() = default;
int Sink::writers(int) const { return 1; }
Sink::Prepared::~Prepared() = default;
Gate::~Gate() = default;

Completion::Completion(Context context, Reply reply)
    : context_(std::move(context)), reply_(std::move(reply)) {}

Completion::Completion(Completion&& other) noexcept
    : context_(std::move(other.context_)), reply_(std::exchange(other.reply_, nullptr)) {}

Completion::~Completion() {
  if (!reply_) return;
  context_.fail_all("no answer");
  std::exchange(reply_, nullptr)(std::nullopt, context_);
}

void Completion::answer(Batch batch) && {
  if (reply_) std::exchange(reply_, nullptr)(std::move(batch), context_);
}

Delivery::Delivery(EventStates states, Reply reply)
    : states_(std::move(states)), reply_(std::move(reply)) {}

Delivery::Delivery(Delivery&& other) noexcept
    : states_(std::move(other.states_)), reply_(std::exchange(other.reply_, nullptr)) {}

Delivery::~Delivery() {
  if (reply_) settle(Fate::failed, "not delivered");
}

void Delivery::veto(std::size_t event, std::string_view reason) {
  if (alive(event)) states_[event] = {Fate::vetoed, std::string(reason)};
}

void Delivery::fail(std::size_t event, std::string_view reason) {
  if (alive(event)) states_[event] = {Fate::failed, std::string(reason)};
}

void Delivery::deliver() && { settle(Fate::delivered, {}); }

void Delivery::fail_all(std::string_view reason) && { settle(Fate::failed, reason); }

void Delivery::settle(Fate fate, std::string_view reason) {
  if (!reply_) return;
  for (EventState& state : states_) {
    if (state.fate == Fate::alive) state = {fate, std::string(reason)};
  }
  std::exchange(reply_, nullptr)(std::move(states_));
}

}  // namespace pnflow
