#pragma once

#include <cstdint>

#include "cli/message_feed.h"
#include "io/hdf5_message_writer.h"
#include "io/simulation.h"

namespace pnflow {

// Simulated events as the HDF5 messages of LCLStreamer: /data/data, /data/timestamp (uint64,
// seconds << 32 | nanoseconds, 120 events a second) and /data/wavelength (float64, angstrom).
class SimulatedMessages : public MessageMaker {
 public:
  struct Options {
    SimulationSettings simulation{};
    std::size_t events_per_message = 1;
    std::size_t count = 0;  // events; 0: without end
    Hdf5Compression compression = Hdf5Compression::none;
    double wavelength = 1.3051;             // angstrom
    std::uint64_t start_time = 1767225600;  // seconds: 2026-01-01 00:00:00 UTC
  };

  // Throws std::invalid_argument when the settings contradict each other.
  explicit SimulatedMessages(const Options& options);

  std::optional<std::size_t> size() const override;
  zmq::message_t make(std::size_t number) override;
  // The last message may hold fewer than the others.
  std::optional<std::size_t> events(std::size_t number) const override;

 private:
  Options options_;
  Simulation simulation_;
};

}  // namespace pnflow
