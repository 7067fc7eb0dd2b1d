#pragma once

#include "graph/node.h"
#include "graph/spec.h"

namespace pnflow {

// A bounded queue as a node of its own: at most `capacity` messages are in the region behind it.
// The engine does the work.
class Limiter : public Gate {
 public:
  struct Params {
    int capacity = 1;  // messages
  };
  static void describe(Spec<Params>& spec);

  explicit Limiter(Params params) : params_(params) {}
  int capacity() const override { return params_.capacity; }

 private:
  Params params_;
};

}  // namespace pnflow
