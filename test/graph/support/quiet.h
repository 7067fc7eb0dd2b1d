#pragma once

#include "graph/log.h"

namespace pnflow::test {

// Keeps the log silent while it lives.
struct Quiet {
  Quiet() { logger()->set_level(spdlog::level::off); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
  ~Quiet() { logger()->set_level(spdlog::level::info); }
};

}  // namespace pnflow::test
