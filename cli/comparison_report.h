#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/stream_comparison.h"

namespace pnflow {

// The heading of a table of events, and a line of it.
std::string comparison_heading();
std::string comparison_line(const ComparedEvent& event);
// {event, file, index, indexed, and what comparison_json() has of counts}.
nlohmann::ordered_json comparison_json(const ComparedEvent& event);

// For people: several lines.
std::string comparison_text(const StreamComparison& comparison, const ComparisonOptions& options);
// {stream, format, radius, min_snr,
//  files, events {all, with_chunk, without_chunk},
//  chunks {all, hits, indexed, crystals, elsewhere, first_elsewhere, repeated,
//         unreadable, first_unreadable},
//  damaged, damage [text],
//  indexed, all: counts {events, crystals, peaks, explained, reflections, found, weak, off_panel,
//                        stream_peaks, recall, precision, peaks_per_event, reflections_per_event,
//                        offset {peaks, mean_x, mean_y, rms_x, rms_y}}}
// A ratio over nothing is null.
nlohmann::ordered_json comparison_json(const StreamComparison& comparison,
                                       const ComparisonOptions& options);

}  // namespace pnflow
