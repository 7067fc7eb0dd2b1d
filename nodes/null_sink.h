#pragma once

#include <memory>

#include "graph/node.h"
#include "graph/spec.h"

namespace pnflow {

// Takes every message and counts its events as delivered: the end of a path whose results nobody
// wants, for tests and measurements.
class NullSink : public Sink {
 public:
  struct Params {};
  static void describe(Spec<Params>& spec);

  explicit NullSink(Params) {}
  std::unique_ptr<Prepared> prepare(const Batch& batch, Context& context) const override;
  void write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) override;
};

}  // namespace pnflow
