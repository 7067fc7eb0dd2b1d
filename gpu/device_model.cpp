#include "gpu/device_model.h"

namespace pnflow {

DeviceModel::~DeviceModel() = default;
DeviceModelFactory::~DeviceModelFactory() = default;

}  // namespace pnflow
