#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "io/crystfel_geometry.h"

namespace pnflow {

// Reads a CrystFEL geometry, as CrystFEL 0.12 does (manual page crystfel_geometry(5)): `key =
// value` and `panel/key = value`, comments behind `;`, lines that end in LF, CRLF or CR. What is
// said without a panel holds for the panels that begin below it. Of a key that is said twice the
// last counts.
//
// Stricter than CrystFEL: a key that the manual page does not have is an error, and so are panels
// that overlap, a text behind a number, and an axis of the data that is there twice. More lenient:
// camera length, photon energy and adu_per_photon may be absent, and vectors may have asterisks.
// Read and not kept: flag_lessthan, flag_morethan, flag_equal, mask_edge_pixels, and the keys of
// older versions that CrystFEL does not use any more: badrow_direction, rail_direction,
// clen_for_centering, peak_sep, integr_radius, photon_energy_scale, peak_info_location.
//
// Throws RunError with all that is wrong, a line "file:line: text" each. Thread-safe.
CrystfelGeometry load_crystfel_geometry(const std::filesystem::path& file);

// The same for a text; `name` stands for the file in messages.
CrystfelGeometry parse_crystfel_geometry(std::string_view text, const std::string& name);

}  // namespace pnflow
