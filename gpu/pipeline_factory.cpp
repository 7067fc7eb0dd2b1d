#include "gpu/pipeline_factory.h"

namespace pnflow {

PipelineFactory::~PipelineFactory() = default;

}  // namespace pnflow
