#pragma once

#include <string>

#include "graph/export.h"

namespace pnflow {

// "peaknet-live-20261124-120102-host-4711": the graph's name, local time, host and process, so that
// no two runs anywhere share one. Only letters, digits, '-', '_' and '.': it becomes file names.
PNFLOW_API std::string unique_run_name(const std::string& graph_name);

}  // namespace pnflow
