#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/file_summary.h"

namespace pnflow {

// What is known of a file, for people: aligned lines, the first of which is the file's name.
std::string summary_text(const FileSummary& summary);

// One event, with its peaks when it is of a CXI file, the strongest first.
std::string event_text(const EventDetail& event);

// "4 files, 11 events, 37.2 MiB; 1 with damage; 1 with faults; 1 not read".
std::string sum_text(const std::vector<FileSummary>& files);

}  // namespace pnflow
