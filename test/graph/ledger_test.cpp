#include "graph/ledger.h"

#include <doctest/doctest.h>

using namespace pnflow;

namespace {

struct Fixture {
  Ledger ledger;
  std::atomic<std::uint64_t> events{0};
  std::unique_ptr<Account> message(int verdicts) {
    ledger.received();
    return std::make_unique<Account>(ledger, events, verdicts);
  }
};

EventStates ended(Fate fate, const char* reason = "") { return {{fate, reason}}; }

}  // namespace

TEST_CASE_FIXTURE(Fixture, "the worst verdict of several paths is the event's fate") {
  const auto verdict = [this](std::initializer_list<EventStates> paths) {
    auto account = message(static_cast<int>(paths.size()));
    account->opened(1);
    for (const auto& states : paths) account->settle(states);
  };
  verdict({ended(Fate::delivered), ended(Fate::vetoed, "few peaks")});
  verdict({ended(Fate::vetoed, "few peaks"), ended(Fate::vetoed, "dull")});
  verdict({ended(Fate::delivered), ended(Fate::failed, "write"), ended(Fate::delivered)});
  const Books books = ledger.books();
  CHECK(books.events.delivered == 1);
  CHECK(books.events.vetoed == Books::ByReason{{"few peaks", 1}});
  CHECK(books.events.failed == Books::ByReason{{"write", 1}});
  CHECK(books.events_add_up());
  CHECK(books.messages_add_up());
}

TEST_CASE_FIXTURE(Fixture, "a path that never speaks shows in the books") {
  {
    auto account = message(2);
    account->opened(1);
    account->settle(ended(Fate::delivered));
  }
  CHECK_FALSE(ledger.books().events_add_up());
}

TEST_CASE_FIXTURE(Fixture, "a message that vanishes undecoded shows in the books") {
  { auto account = message(1); }
  CHECK_FALSE(ledger.books().messages_add_up());
}

TEST_CASE_FIXTURE(Fixture, "control, raw and unreadable messages each have their place") {
  ledger.received();
  ledger.control();
  message(1)->settle({});
  {
    auto bad = message(1);
    bad->unreadable("truncated");
    bad->settle({});
  }
  const Books books = ledger.books();
  CHECK(books.messages.received == 3);
  CHECK(books.messages.control == 1);
  CHECK(books.messages.raw == 1);
  CHECK(books.messages.unreadable == Books::ByReason{{"truncated", 1}});
  CHECK(books.messages_add_up());
}

TEST_CASE_FIXTURE(Fixture, "what was expected and never came is missing") {
  ledger.expect(5);
  {
    auto account = message(1);
    account->opened(2);
    account->opened(2);  // another branch that decodes the same message
    account->settle({{Fate::delivered, ""}, {Fate::failed, "write"}});
  }
  CHECK(events == 2);
  CHECK(ledger.books().missing() == 3);
}
