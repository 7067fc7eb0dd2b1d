// Has nothing to register, and says why.

#include <stdexcept>

#include "graph/abi.h"
#include "graph/registry.h"

extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

extern "C" PNFLOW_API void pnflow_register(pnflow::Registry&) {
  throw std::runtime_error("the calibration database is closed");
}
