#pragma once

#include <string>
#include <string_view>

#include "io/crystfel_geometry.h"

namespace pnflow {

// The user's geometry for our CXI files, whose images have its slab: `text` as it is, except for
// the places of the data. `geometry` is what the text says.
//
// * data, peak_list and peak_list_type, photon energy (in place of a path, a number or a
//   wavelength; an electron_voltage stays) and a camera length that is a path name our datasets;
//   dim0 to dim2 are %, ss and fs. A line that says so takes the place of the user's, comments
//   behind it stay; what no line in front of the first panel says is put in front of all.
// * What only the user's data files have becomes a comment: masks and saturation maps without a
//   file of their own, detector shifts that are paths, other dims.
// * `mask`: the files have one, which becomes the first of CrystFEL's eight that is free.
//
// Lines keep their ends (LF, CRLF or CR).
std::string crystfel_for_cxi(std::string_view text, const CrystfelGeometry& geometry, bool mask);

}  // namespace pnflow
