#pragma once

#include <string>
#include <vector>

#include "io/cxi_reader.h"

namespace pnflow {

// What stands between a CXI file and CrystFEL 0.12 (`indexamajig --peaks=cxi`), one line each.
// A fault loses peaks or events, most of them without a word of CrystFEL's; a warning costs time,
// or depends on how CrystFEL was installed.
struct CrystfelCheck {
  std::vector<std::string> faults, warnings;
};

// Looks at shapes and types, and at the peak positions, time stamps and energies of all events, not
// at pixels. Thread-safe.
//
// The rules, found by running CrystFEL 0.12 over good and broken files: images (N,H,W), in chunks
// of one event; nPeaks (N,) of integers, 0 to M; peakXPosRaw, peakYPosRaw and peakTotalIntensity
// all there, each (N,M) float32, finite and on the image; headers (N,); time stamps below 2^63;
// masks of integers, (H,W) or (N,H,W).
CrystfelCheck check_for_crystfel(const CxiReader& file);

}  // namespace pnflow
