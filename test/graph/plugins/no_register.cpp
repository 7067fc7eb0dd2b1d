// Lacks pnflow_register.

#include "graph/abi.h"
#include "graph/export.h"

extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }
