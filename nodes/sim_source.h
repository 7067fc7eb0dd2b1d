#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/node.h"
#include "graph/spec.h"
#include "graph/units.h"
#include "io/simulation.h"
#include "nodes/detector_mask.h"
#include "nodes/pacer.h"

namespace pnflow {

// Simulated events in place of a socket and `decode`: the same fields, reproducible, with the truth
// beside them.
class SimSource : public Source {
 public:
  struct Params {
    std::vector<std::size_t> shape{16, 352, 384};
    DType dtype = DType::u16;
    std::size_t events_per_message = 1;
    std::uint64_t count = 0;
    Rate rate;
    std::uint64_t seed = 1;
    std::vector<std::size_t> peaks{60};
    std::vector<double> amplitude{200, 2000};
    double sigma = 1.2;
    double background = 10;
    double noise = 2;
    double bad_pixels = 0;
    double photon_energy = 9500;
    std::uint32_t start_time = 1767225600;  // 2026-01-01 00:00:00 UTC
    std::size_t preload = 0;
    bool truth = true;
    std::optional<std::string> geometry;
    std::optional<MaskSource> mask;
  };
  static void describe(Spec<Params>& spec);

  explicit SimSource(Params params);

  // Builds the noise table and the mask. Throws RunError when the settings contradict each other,
  // the detector's files cannot be used, or they do not fit the images.
  void open(OpenContext& context) override;
  // `image` (B,H,W) or (B,C,H,W), `timestamp` (B) uint64 packed, `wavelength` (B) float64 angstrom,
  // `photon_energy` (B) float64 eV, `truth` (columns panel int32, y and x float64, amplitude
  // float32), and where there are bad pixels or the detector's files tell some the message field
  // `mask`, uint8, (H,W) or (C,H,W).
  std::optional<Batch> next(SourceContext& context) override;

 private:
  struct Content {  // what a message shows; shared by all messages that show the same
    Array image;
    RaggedTable truth;
  };

  void make_mask();
  Content make_content(std::uint64_t first_event, std::size_t events, SourceContext& context) const;
  Content next_content(std::size_t events, SourceContext& context);
  Batch make_message(const Content& content, std::size_t events, MemoryPool& pool) const;

  Params params_;
  Pacer pacer_;
  std::unique_ptr<const Simulation> simulation_;
  std::vector<Content> preloaded_;
  std::optional<Array> mask_;
  std::uint64_t sent_events_ = 0;
  std::uint64_t sent_messages_ = 0;
};

}  // namespace pnflow
