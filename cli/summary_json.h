#pragma once

#include <nlohmann/json.hpp>

#include "cli/file_summary.h"

namespace pnflow {

// What is known of a file, as `pnflow inspect --json` prints it. What is not known is null, and
// what a file of its kind does not have is not there.
//
//   file, bytes, kind, messages
//   error          instead of all that follows: why the file cannot be looked at
//   attributes     {name: value} of the root of an HDF5 file
//   arrays         [{name, shape, dtype, storage, raw_bytes, stored_bytes, messages, attributes}],
//                  or {name, unread} of a kind that pnflow does not read
//   events         their number
//   images         [{array, shape, dtype, events, unpadded}], shapes of one event
//   timestamps     {array, first, last, first_packed, last_packed, missing}: ISO 8601, and
//                  seconds << 32 | nanoseconds
//   photon_energy  {array, min, max, missing} in eV, and likewise wavelength in angstrom
//   pixels         {min, max, mean, finite, non_finite} over all events
//   cxi            {peaks: {min, median, max, total}, normalized, panels, mask: {shape, bad},
//                  crystfel: {faults: [text], warnings: [text]}}
//   parts          [{file, first, events, fault}] of a CXI master
//   controls       [{type, field: text, ...}] of Simplon
//   damage         [{message, array, entry, reason, detail}]
nlohmann::ordered_json summary_json(const FileSummary& summary);

// One event: event (number through all files), file, index (in the file), timestamp,
// timestamp_packed, photon_energy, shape, pixels, and of a CXI file peaks: [{panel, x, y, npix,
// total, maximum, snr}], the strongest first.
nlohmann::ordered_json event_json(const EventDetail& event);

// {files, events, bytes, damaged, faulty, not_read}, numbers all.
nlohmann::ordered_json sum_json(const std::vector<FileSummary>& files);

}  // namespace pnflow
