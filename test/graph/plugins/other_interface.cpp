// Built with headers of another interface of the same version of pnflow.

#include "graph/abi.h"
#include "graph/export.h"

#undef PNFLOW_ABI_INTERFACE
#define PNFLOW_ABI_INTERFACE 999999

extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }
extern "C" PNFLOW_API void pnflow_register(void*) {}
