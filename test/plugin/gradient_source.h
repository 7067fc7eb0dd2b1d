#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "graph/node.h"
#include "graph/spec.h"
#include "graph/units.h"

namespace my_nodes {

// A source: events whose pixels are known. In event n, pixel (y, x) is n * step + x.
class GradientSource : public pnflow::Source {
 public:
  struct Params {
    std::uint64_t count = 100;
    std::size_t events_per_message = 4;
    pnflow::Rate rate;                       // events per second; 0: as fast as they are taken
    std::vector<std::size_t> shape{64, 96};  // H, W
    double step = 10;                        // ADU
  };
  static void describe(pnflow::Spec<Params>& spec);

  explicit GradientSource(Params params) : params_(std::move(params)) {}

  void open(pnflow::OpenContext& context) override;
  // Gives `image` (B,H,W) float32 in ADU and `number` (B) uint64, the event's number from 0.
  // Called again and again, on a thread of this source's own; nothing is the end.
  std::optional<pnflow::Batch> next(pnflow::SourceContext& context) override;

 private:
  bool wait_for_turn(const pnflow::SourceContext& context);

  Params params_;
  std::uint64_t sent_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace my_nodes
