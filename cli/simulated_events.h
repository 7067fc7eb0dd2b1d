#pragma once

#include <cstdint>

#include "cli/event_supply.h"
#include "io/simulation.h"

namespace pnflow {

// Simulated events, 120 of them a second.
class SimulatedEvents : public EventSupply {
 public:
  // `count`: events that there are; 0: without end.
  // Throws std::invalid_argument when the settings contradict each other.
  SimulatedEvents(const SimulationSettings& settings, std::size_t count)
      : simulation_(settings), count_(count) {}

  std::optional<std::size_t> size() const override;
  DType dtype() const override { return simulation_.settings().dtype; }
  const Shape& event_shape() const override { return simulation_.event_shape(); }
  SuppliedEvents read(std::size_t first, std::size_t count) override;
  std::uint64_t timestamp(std::size_t event) override;

 private:
  Simulation simulation_;
  std::size_t count_;
};

}  // namespace pnflow
