#pragma once

#include <span>
#include <string>

#include "io/filters.h"
#include "io/h5.h"

// Small things of writing HDF5 that its interface makes long. Each answers whether HDF5 did it.
namespace pnflow::h5 {

// A text of any length: HDF5 keeps variable-length strings apart from the object's header, which
// has 64 KiB in all.
bool set_attribute(hid_t object, const char* name, const std::string& text);
bool set_attribute(hid_t object, const char* name, int value);

// The pipeline of a dataset to be created. The filters are optional, as HDF5 need not have the
// plugins that undo them.
bool set_filters(hid_t creation, std::span<const Filter> filters);

// A dataspace of fixed extents.
Dataspace simple_space(std::span<const hsize_t> extents);

}  // namespace pnflow::h5
