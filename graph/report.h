#pragma once

#include <string>

#include "graph/engine.h"
#include "graph/export.h"

namespace pnflow {

// How a run ended, as its exit code says it.
enum class Outcome : int {
  done = 0,  // failed events are allowed, and listed
  run_error = 1,
  configuration = 2,
  books_wrong = 3,    // an event or a message is unaccounted for
  events_failed = 4,  // only with --strict
  aborted = 130,
};

// The outcome of a run that has ended. Precedence: aborted, wrong books, error, strictness.
PNFLOW_API Outcome outcome_of(const RunStatus& status, const RunControl& control, bool strict);

// Both books in a few lines, and whether they add up.
PNFLOW_API std::string books_text(const Books& books);
// A row for each node, the busiest marked: count, events, busy, waiting, p50, p99, max, queue peak;
// below them a line for each group of a node's own figures, and one for each of its counters.
PNFLOW_API std::string node_table(const RunStatus& status);

struct ReportHead {
  std::string run_name, graph_file, resolved_config;  // the last as JSON
  std::string error;                                  // empty: none
};
// The report as JSON (--report): version, run, resolved configuration, wall time, both books,
// window, max_live_messages, and for each node count, busy, waiting, p50, p99, max, queue peak, its
// own counters, and its own figures as {group: {name: {"value": number, "unit": text}}}; the value
// is null when it is not finite. Durations in seconds.
PNFLOW_API std::string report_json(const ReportHead& head, const RunStatus& status,
                                   Outcome outcome);

}  // namespace pnflow
