#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "graph/batch.h"
#include "io/slab_geometry.h"

namespace pnflow {

// Entry `event` of a field of any dtype that has one number per event; nothing when there is no
// such field or the number is not finite. Throws DataError("wrong shape"). Thread-safe.
std::optional<double> number_of(const Batch& batch, std::string_view field, std::size_t event);

// In eV, from field `photon_energy`; 0 when it is not known. Where an event does not tell it, the
// geometry may (nullptr: there is none). Throws DataError as number_of() does.
double photon_energy_of(const Batch& batch, std::size_t event, const SlabGeometry* geometry);

}  // namespace pnflow
