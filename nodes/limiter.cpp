#include "nodes/limiter.h"

namespace pnflow {

void Limiter::describe(Spec<Params>& spec) {
  spec.summary("Lets a bounded number of messages into the part of the graph behind it.");
  spec.param("capacity", &Params::capacity)
      .required()
      .range(1, 1'000'000)
      .unit("messages")
      .help("messages that may be between this node and the next limiter, or the end of each path");
}

}  // namespace pnflow
