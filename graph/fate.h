#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pnflow {

// What has become of an event. Every event ends as one of the last three, exactly once.
enum class Fate : std::uint8_t { alive, vetoed, delivered, failed };

// The fate of one event on one path of the graph; the reason of a veto or a failure is a short,
// stable phrase, because losses are counted by it.
struct EventState {
  Fate fate = Fate::alive;
  std::string reason;
};

// One entry per event of a message, in the batch's order.
using EventStates = std::vector<EventState>;

// Where several paths end differently for one event: failed beats delivered beats vetoed beats
// alive (which at the end means that nobody has accounted for it).
constexpr bool outranks(Fate a, Fate b) { return a > b; }

}  // namespace pnflow
