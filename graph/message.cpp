#include "graph/message.h"

#include <algorithm>

namespace pnflow {

bool Payload::wants_work() const {
  if (stage == Stage::raw) return true;
  return stage == Stage::decoded && std::ranges::any_of(*states, [](const EventState& event) {
           return event.fate == Fate::alive;
         });
}

}  // namespace pnflow
