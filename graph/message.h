#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "graph/batch.h"
#include "graph/fate.h"
#include "graph/ledger.h"
#include "graph/metrics.h"

namespace pnflow {

// What all handles of one message share for its whole life.
struct MessageHead {
  const std::string* source = nullptr;  // name of the node that it came from
  std::uint64_t sequence = 0;           // its number there, from 0, without gaps
  Array wire;                           // raw bytes, where a node wants to keep them
  std::shared_ptr<Account> account;
  std::shared_ptr<void> slot;  // of the window; returned with the last handle
};

// How far a message has come on its path.
enum class Stage : std::uint8_t { raw, decoded, unreadable };

// What nodes see and answer: immutable, shared by the branches of a fan-out.
struct Payload {
  Stage stage = Stage::raw;
  Batch batch;
  std::shared_ptr<const EventStates> states;

  // False when there is nothing left to do for the message but to reach the end of its path.
  bool wants_work() const;
};

// What travels on every edge: a cheap handle. Members are destroyed from the last to the first: the
// credit, and with it the next message's admission, before the slot.
struct Message {
  std::shared_ptr<const MessageHead> head;
  std::shared_ptr<const Payload> payload;
  std::shared_ptr<void> credit;   // of the limiter region that the message is in
  Clock::time_point handed_on{};  // to the node that it waits for
};

}  // namespace pnflow
