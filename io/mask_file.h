#pragma once

#include <string>

#include "graph/array.h"

namespace pnflow {

// The bad-pixel mask in an HDF5 file: uint8, 1 where the file's data set is not 0. The data set is
// of an integer type, and has the panels one after the other, (C,H,W), or stacked, (C*H,W). An
// empty `dataset` means /mask, or where there is none /entry_1/data_1/mask (CrystFEL's place).
// Throws RunError: no such file, data set, or type.
Array load_mask(const std::string& file, const std::string& dataset = {});

// The mask as (C,H,W) for images of `panels` panels of height x width. Throws
// DataError("wrong shape") with both shapes.
Array mask_for(const Array& mask, std::size_t panels, std::size_t height, std::size_t width);

}  // namespace pnflow
