#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/array.h"

namespace pnflow {

// A mask as its file has it.
struct MaskValues {
  std::string dataset;
  Shape shape;  // two or three axes
  std::vector<std::int64_t> values;
};

// The integers of a data set of an HDF5 file. An empty `dataset` means /mask, or where there is
// none /entry_1/data_1/mask (CrystFEL's place). Throws RunError: no such file, data set, or type.
MaskValues read_mask(const std::string& file, const std::string& dataset = {});

// The same as uint8, 1 where a pixel is bad: one that has a bit of `bad_bits`, or lacks one of
// `good_bits`, as in CrystFEL. Without any bits: one that is not 0.
Array bad_pixels(const MaskValues& mask, std::uint64_t good_bits = 0, std::uint64_t bad_bits = 0);

// The bad-pixel mask in an HDF5 file: uint8, 1 where the file's data set is not 0. The data set has
// the panels one after the other, (C,H,W), or stacked, (C*H,W). Throws what read_mask() throws.
Array load_mask(const std::string& file, const std::string& dataset = {});

// The mask as (C,H,W) for images of `panels` panels of height x width. Throws
// DataError("wrong shape") with both shapes.
Array mask_for(const Array& mask, std::size_t panels, std::size_t height, std::size_t width);

}  // namespace pnflow
