#include "gpu/engine.h"

namespace pnflow {

InferenceEngine::~InferenceEngine() = default;
EngineFactory::~EngineFactory() = default;

void BlockingEngine::launch(const MicroBatch& batch, Done done) {
  std::exception_ptr error;
  try {
    run(batch);
  } catch (...) {
    error = std::current_exception();
  }
  done(error);
}

}  // namespace pnflow
