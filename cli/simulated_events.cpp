#include "cli/simulated_events.h"

#include <span>

#include "io/timestamps.h"

namespace pnflow {

namespace {

constexpr double wavelength = 1.3051;               // angstrom
constexpr std::uint64_t first_second = 1767225600;  // 2026-01-01 00:00:00 UTC

}  // namespace

std::optional<std::size_t> SimulatedEvents::size() const {
  if (count_ == 0) return {};
  return count_;
}

SuppliedEvents SimulatedEvents::read(std::size_t first, std::size_t count) {
  SuppliedEvents events;
  events.shape = event_shape();
  events.shape.insert(events.shape.begin(), count);
  const std::size_t event_bytes = simulation_.event_bytes();
  events.pixels.resize(count * event_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    simulation_.render(first + i, std::span(events.pixels).subspan(i * event_bytes, event_bytes));
    events.timestamps.push_back(timestamp(first + i));
  }
  events.wavelengths.assign(count, wavelength);
  return events;
}

std::uint64_t SimulatedEvents::timestamp(std::size_t event) {
  return pulse_timestamp(first_second, event);
}

}  // namespace pnflow
