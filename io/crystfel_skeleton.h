#pragma once

#include <string>

#include "io/cxi_event.h"

namespace pnflow {

// A CrystFEL geometry of our CXI files for somebody who has none: the file's paths, and one panel
// per module with its real ranges of fs and ss. What only the experimenter knows says FIXME: camera
// length, pixel size, and where each panel is. `mask`: the files have a mask.
// Format: the manual page crystfel_geometry(5).
std::string crystfel_skeleton(const CxiFormat& format, bool mask);

}  // namespace pnflow
