#include "nodes/null_sink.h"

#include <utility>

namespace pnflow {

void NullSink::describe(Spec<Params>& spec) {
  spec.summary("Takes every message, keeps nothing, and counts the events as delivered.");
}

std::unique_ptr<Sink::Prepared> NullSink::prepare(const Batch&, Context&) const {
  return std::make_unique<Prepared>();
}

void NullSink::write(std::unique_ptr<Prepared>, Delivery&& delivery) {
  std::move(delivery).deliver();
}

}  // namespace pnflow
