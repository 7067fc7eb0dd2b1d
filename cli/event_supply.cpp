#include "cli/event_supply.h"

namespace pnflow {

EventSupply::~EventSupply() = default;

}  // namespace pnflow
