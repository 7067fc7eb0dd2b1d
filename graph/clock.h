#pragma once

#include <chrono>

namespace pnflow {

// Of every time that is taken in a run.
using Clock = std::chrono::steady_clock;

}  // namespace pnflow
