// A plugin as it should be, with one node type.

#include "test/graph/plugins/passing.h"

extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

extern "C" PNFLOW_API void pnflow_register(pnflow::Registry& registry) {
  registry.add<pnflow::test::Passing>("from_plugin");
}
