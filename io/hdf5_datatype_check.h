#pragma once

#include <cstddef>
#include <span>

namespace pnflow {

// Follows a datatype message (HDF5 File Format Specification 3.0, section IV.A.2.d) through its
// members to its end. HDF5 1.10 copies names and tags of types without looking where the message
// ends; this looks before it does.
// Throws DataError("damaged metadata") when something of the type lies behind the end.
void check_datatype(std::span<const std::byte> message);

}  // namespace pnflow
