#include "cli/simulated_messages.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "io/timestamps.h"

namespace pnflow {

SimulatedMessages::SimulatedMessages(const Options& options)
    : options_(options), simulation_(options.simulation) {}

std::optional<std::size_t> SimulatedMessages::size() const {
  if (options_.count == 0) return {};
  return (options_.count + options_.events_per_message - 1) / options_.events_per_message;
}

std::optional<std::size_t> SimulatedMessages::events(std::size_t number) const {
  const std::size_t full = options_.events_per_message;
  return options_.count == 0 ? full : std::min(full, options_.count - number * full);
}

zmq::message_t SimulatedMessages::make(std::size_t number) {
  const std::size_t events = *this->events(number);
  const std::uint64_t first = number * options_.events_per_message;
  std::vector<std::byte> pixels(events * simulation_.event_bytes());
  std::vector<std::uint64_t> timestamps(events);
  for (std::size_t i = 0; i < events; ++i) {
    simulation_.render(first + i, std::span(pixels).subspan(i * simulation_.event_bytes(),
                                                            simulation_.event_bytes()));
    timestamps[i] = pulse_timestamp(options_.start_time, first + i);
  }
  const std::vector<double> wavelengths(events, options_.wavelength);
  Shape shape{events};
  shape.insert(shape.end(), simulation_.event_shape().begin(), simulation_.event_shape().end());
  const std::vector<Hdf5Field> fields{
      {"/data/data", options_.simulation.dtype, std::move(shape), pixels},
      {"/data/timestamp", DType::u64, {events}, std::as_bytes(std::span(timestamps))},
      {"/data/wavelength", DType::f64, {events}, std::as_bytes(std::span(wavelengths))}};
  return zmq::message_t(write_hdf5_message(fields, options_.compression));
}

}  // namespace pnflow
