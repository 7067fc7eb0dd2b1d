#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"

namespace pnflow {

// What simulated events look like. Intensities are in ADU, lengths in pixels.
struct SimulationSettings {
  std::size_t panels = 0;  // 0: one image without a panel axis
  std::size_t height = 0;
  std::size_t width = 0;
  DType dtype = DType::u16;    // u16, i16, i32, f32 or f64
  std::size_t min_peaks = 20;  // per event, over all panels; drawn evenly from min to max
  std::size_t max_peaks = 20;
  double min_amplitude = 200;  // height of a peak above the background, drawn evenly
  double max_amplitude = 2000;
  double sigma = 1.2;      // of the Gaussian spots
  double background = 10;  // mean of the Poisson background
  double noise = 2;        // sigma of the Gaussian read noise
  double bad_pixels = 0;   // fraction of the pixels, the same ones in all events
  std::uint64_t seed = 1;
};

// One spot of an event: 0-based pixel-centre indices in its panel (0 when there is no panel axis).
struct SimulatedPeak {
  std::int32_t panel = 0;
  double y = 0;
  double x = 0;
  float amplitude = 0;
};

// Events with Gaussian spots on a Poisson background with Gaussian read noise. Event n depends on
// the settings and n only, whatever was drawn before. Immutable, so safe to use from any thread.
//
// Spots stay 3 sigma away from the edges and 8 sigma from each other, and their centres away from
// bad pixels, so that each can be found; where that leaves no room, the event has fewer. Spots have
// no photon statistics of their own. Half of the bad pixels read 0, half read four times the
// largest peak.
//
// Background and read noise come from a table of 65536 draws, from which every pixel takes one
// independently: that costs a few nanoseconds a pixel, and only the far tail is missing.
class Simulation {
 public:
  // Throws std::invalid_argument for a dtype, size or range that cannot be.
  explicit Simulation(const SimulationSettings& settings);

  const SimulationSettings& settings() const { return settings_; }
  // (H, W), or (C, H, W) with panels.
  const Shape& event_shape() const { return shape_; }
  std::size_t event_bytes() const { return pixels_ * size_of(settings_.dtype); }

  // Writes the pixels of event `event`, in C order, and returns its peaks, in no special order.
  // `out` is event_bytes() long and aligned to the element. Values that the dtype cannot hold are
  // clamped, fractions rounded. Throws std::invalid_argument when `out` has another size.
  std::vector<SimulatedPeak> render(std::uint64_t event, std::span<std::byte> out) const;

  // 1 = bad, for each pixel of an event; empty when no pixel is.
  std::span<const std::uint8_t> mask() const { return mask_; }

 private:
  class Random;

  void make_noise();
  void make_bad_pixels();
  std::vector<SimulatedPeak> place_peaks(Random& random) const;
  bool is_free(const SimulatedPeak& peak, std::span<const SimulatedPeak> others) const;
  template <class T>
  void draw(Random& random, std::span<const SimulatedPeak> peaks, std::span<T> out) const;

  SimulationSettings settings_;
  Shape shape_;
  std::size_t pixels_ = 0;
  std::vector<std::byte> noise_;  // pixels of background and read noise, shuffled
  std::vector<std::uint8_t> mask_;
  std::vector<std::size_t> bad_;  // indices of the bad pixels, dead and hot in turn
};

}  // namespace pnflow
