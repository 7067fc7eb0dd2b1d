#pragma once

#include "graph/node.h"
#include "graph/spec.h"

namespace my_nodes {

// A transform: vetoes events without a bright pixel, and says how bright the others are.
class Brightest : public pnflow::Transform {
 public:
  // What can be set in the YAML, with the defaults.
  struct Params {
    double threshold = 1000;  // ADU
  };
  // What pnflow checks before a run, and what `pnflow nodes brightest` prints.
  static void describe(pnflow::Spec<Params>& spec);

  explicit Brightest(Params params) : params_(params) {}

  // Reads `image` (B,H,W) or (B,C,H,W) of any type, adds `brightest` (B) float64, ADU. Pixels that
  // are NaN do not count. `const`: several messages may be in here at once.
  pnflow::Batch process(const pnflow::Batch& batch, pnflow::Context& context) const;

 private:
  Params params_;
};

}  // namespace my_nodes
