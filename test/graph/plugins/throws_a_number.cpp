// Throws what is no std::exception.

#include "graph/abi.h"
#include "graph/registry.h"

extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

extern "C" PNFLOW_API void pnflow_register(pnflow::Registry&) { throw 42; }
