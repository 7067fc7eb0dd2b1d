#pragma once

#include <iosfwd>
#include <string_view>

#include "graph/trace_records.h"

namespace pnflow {

// Writes the records in Chrome's trace event format, the JSON object of which Perfetto's UI and
// chrome://tracing are readers: a "process" for each group, a "thread" for each row, complete
// events
// ("X") for spans, sorted in each track, and counters ("C") for values. Private to graph/.
void write_trace_json(std::ostream& out, const TraceRecords& recorded, std::string_view run);

}  // namespace pnflow
