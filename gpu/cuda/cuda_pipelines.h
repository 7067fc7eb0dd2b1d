#pragma once

#include "gpu/pipeline_factory.h"

namespace pnflow {

// The pipelines of libpnflow_cuda.so.
class CudaPipelines : public PipelineFactory {
 public:
  std::vector<std::unique_ptr<InferenceEngine>> make(
      const EngineSettings& settings, const DeviceModelFactory* models) const override;
  int devices() const override;
  DeviceSurvey survey() const override;
  CopySpeeds measure_copies(int device) const override;
};

}  // namespace pnflow
