#include "graph/ledger.h"

#include <algorithm>
#include <utility>

namespace pnflow {

std::uint64_t Books::total(const ByReason& book) {
  std::uint64_t sum = 0;
  for (const auto& [reason, n] : book) sum += n;
  return sum;
}

std::uint64_t Books::missing() const {
  return events.expected && *events.expected > events.decoded ? *events.expected - events.decoded
                                                              : 0;
}

bool Books::messages_add_up() const {
  return messages.received ==
         messages.decoded + messages.control + messages.raw + total(messages.unreadable);
}

bool Books::events_add_up() const {
  return events.decoded == events.delivered + total(events.vetoed) + total(events.failed);
}

void Ledger::retired_now() {
  ++retired_;
  last_ = Clock::now().time_since_epoch().count();
}

void Ledger::retire_unreadable(std::string_view reason) {
  {
    const std::lock_guard lock(mutex_);
    ++unreadable_[std::string(reason)];
  }
  retired_now();
}

void Ledger::retire_raw() {
  ++raw_;
  retired_now();
}

void Ledger::retire_decoded(const EventStates& outcome) {
  for (const EventState& event : outcome) {
    if (event.fate == Fate::delivered) {
      ++delivered_;
    } else if (event.fate != Fate::alive) {
      const std::lock_guard lock(mutex_);
      ++(event.fate == Fate::vetoed ? vetoed_ : failed_)[event.reason];
    }
  }
  retired_now();
}

Books Ledger::books() const {
  Books books;
  const std::lock_guard lock(mutex_);
  books.messages = {.received = received_,
                    .decoded = decoded_,
                    .control = control_,
                    .raw = raw_,
                    .unreadable = unreadable_};
  books.events.decoded = decoded_events_;
  books.events.delivered = delivered_;
  books.events.vetoed = vetoed_;
  books.events.failed = failed_;
  if (expects_) books.events.expected = expected_;
  return books;
}

Account::Account(Ledger& ledger, std::atomic<std::uint64_t>& source_events, int verdicts)
    : ledger_(ledger), source_events_(source_events), verdicts_missing_(verdicts) {}

Account::~Account() {
  const bool settled = verdicts_missing_ == 0;
  if (decoded_) {
    if (!settled) {
      std::ranges::for_each(outcome_, [](EventState& event) { event.fate = Fate::alive; });
    }
    ledger_.retire_decoded(outcome_);
  } else if (unreadable_) {
    ledger_.retire_unreadable(*unreadable_);
  } else if (settled) {
    ledger_.retire_raw();
  }
}

void Account::opened(std::size_t events) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(decoded_, true)) return;
    outcome_.resize(events);
  }
  source_events_ += events;
  ledger_.decoded(events);
}

void Account::unreadable(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (!unreadable_) unreadable_ = reason;
}

void Account::settle(const EventStates& states) {
  const std::lock_guard lock(mutex_);
  --verdicts_missing_;
  for (std::size_t i = 0; i < std::min(states.size(), outcome_.size()); ++i) {
    if (outranks(states[i].fate, outcome_[i].fate)) outcome_[i] = states[i];
  }
}

}  // namespace pnflow
