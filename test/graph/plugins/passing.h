#pragma once

#include "graph/abi.h"
#include "graph/registry.h"

namespace pnflow::test {

struct Passing : Transform {
  struct Params {
    int level = 3;
  };
  static void describe(Spec<Params>& spec) {
    spec.summary("Passes everything.");
    spec.param("level", &Params::level).range(1, 10);
  }
  explicit Passing(Params) {}
  Batch process(const Batch& batch, Context&) const { return batch; }
};

}  // namespace pnflow::test
