#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "graph/export.h"
#include "graph/fate.h"
#include "graph/metrics.h"

namespace pnflow {

// The two books of a run, as they stand.
struct PNFLOW_API Books {
  using ByReason = std::map<std::string, std::uint64_t>;
  struct Messages {
    std::uint64_t received = 0, decoded = 0, control = 0;
    std::uint64_t raw = 0;  // taken by sinks as they came, never decoded
    ByReason unreadable;
  } messages;
  struct Events {
    std::uint64_t decoded = 0, delivered = 0;
    ByReason vetoed, failed;
    std::optional<std::uint64_t> expected;  // when a source knew how many there are
  } events;

  static std::uint64_t total(const ByReason& book);
  std::uint64_t missing() const;  // expected and not decoded
  // received == decoded + control + raw + unreadable, and decoded == delivered + vetoed + failed.
  bool messages_add_up() const;
  bool events_add_up() const;
};

// Keeps the books. Thread-safe. Every entry is made once, by the thread that knows.
class Ledger {
 public:
  void received() { ++received_; }
  void control() { ++control_; }
  void expect(std::uint64_t events) {
    expected_ += events;
    expects_ = true;
  }
  // Retirements: once for each message that was received and is not control.
  void retire_unreadable(std::string_view reason);
  void retire_raw();
  void retire_decoded(const EventStates& outcome);
  // Told at once, not at retirement: sources wait for it.
  void decoded(std::size_t events) {
    ++decoded_;
    decoded_events_ += events;
  }

  Books books() const;
  std::uint64_t decoded_events() const { return decoded_events_; }
  // When an event retired last, and how many messages have retired.
  Clock::time_point last_retirement() const { return Clock::time_point(Clock::duration(last_)); }
  std::uint64_t retired() const { return retired_; }

 private:
  void retired_now();

  std::atomic<std::uint64_t> received_{0}, control_{0}, decoded_{0}, decoded_events_{0};
  std::atomic<std::uint64_t> expected_{0}, delivered_{0}, raw_{0}, retired_{0};
  std::atomic<bool> expects_{false};
  std::atomic<Clock::rep> last_{Clock::now().time_since_epoch().count()};
  mutable std::mutex mutex_;
  Books::ByReason unreadable_, vetoed_, failed_;
};

// What the ledger has to learn of one message. Shared by its handles and by deliveries that are
// still open; with the last of them the message retires. An event for which not every deciding
// sink has spoken then enters no book: so the books do not add up, which is how a loss shows.
class Account {
 public:
  // `verdicts`: deciding sinks that the message will come to.
  Account(Ledger& ledger, std::atomic<std::uint64_t>& source_events, int verdicts);
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  ~Account();

  // The message holds so many events.
  void opened(std::size_t events);
  void unreadable(std::string_view reason);
  // How the events ended on one path (none: the message arrived there undecoded).
  void settle(const EventStates& states);

 private:
  Ledger& ledger_;
  std::atomic<std::uint64_t>& source_events_;
  std::mutex mutex_;
  int verdicts_missing_;
  bool decoded_ = false;
  std::optional<std::string> unreadable_;
  EventStates outcome_;
};

}  // namespace pnflow
