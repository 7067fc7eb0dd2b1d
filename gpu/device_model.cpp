#include "gpu/device_model.h"

#include <stdexcept>

namespace pnflow {

DeviceModel::~DeviceModel() = default;

DeviceLogits DeviceModel::run(const DeviceImages&, void*) {
  throw std::logic_error("a model that gives maps is asked for logits");
}

DeviceModelFactory::~DeviceModelFactory() = default;

}  // namespace pnflow
