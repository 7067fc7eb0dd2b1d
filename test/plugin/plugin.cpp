// What the plugin shows to pnflow: which pnflow it was built for, and its node types by the names
// that a graph uses.

#include "brightest.h"
#include "csv_writer.h"
#include "gradient_source.h"
#include "graph/abi.h"
#include "graph/registry.h"

extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

extern "C" PNFLOW_API void pnflow_register(pnflow::Registry& registry) {
  registry.add<my_nodes::Brightest>("brightest");
  registry.add<my_nodes::CsvWriter>("csv_writer");
  registry.add<my_nodes::GradientSource>("gradient_source");
}
