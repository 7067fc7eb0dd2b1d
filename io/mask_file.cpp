#include "io/mask_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "graph/error.h"
#include "io/h5.h"

namespace pnflow {

namespace {

constexpr std::string_view usual_places[] = {"/mask", "/entry_1/data_1/mask"};

// H5Oexists wants every group on the way to exist, so opening is the simplest question.
h5::Dataset open_dataset(const h5::File& file, const std::string& path) {
  return h5::Dataset(H5Dopen2(file.get(), path.c_str(), H5P_DEFAULT));
}

// In `dataset` stays its path.
h5::Dataset find_mask(const h5::File& file, const std::string& name, std::string& dataset) {
  if (!dataset.empty()) {
    if (auto found = open_dataset(file, dataset)) return found;
    throw RunError(fmt::format("mask file '{}' has no data set '{}'", name, dataset));
  }
  for (const std::string_view place : usual_places) {
    dataset = place;
    if (auto found = open_dataset(file, dataset)) return found;
  }
  throw RunError(fmt::format("mask file '{}' has neither '{}' nor '{}'", name, usual_places[0],
                             usual_places[1]));
}

Shape shape_of(const h5::Dataset& dataset) {
  const h5::Dataspace space(H5Dget_space(dataset.get()));
  const int rank = std::max(H5Sget_simple_extent_ndims(space.get()), 0);
  std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
  return {extents.begin(), extents.end()};
}

}  // namespace

MaskValues read_mask(const std::string& file, const std::string& dataset) {
  const h5::SilentErrors silent;
  if (!std::filesystem::exists(file)) {
    throw RunError(fmt::format("there is no mask file '{}'", file));
  }
  const h5::File opened(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  if (!opened) throw RunError(fmt::format("cannot open mask file '{}' as HDF5", file));
  MaskValues mask;
  mask.dataset = dataset;
  const h5::Dataset found = find_mask(opened, file, mask.dataset);
  const Shape& shape = mask.shape = shape_of(found);
  const h5::Datatype type(H5Dget_type(found.get()));
  if (H5Tget_class(type.get()) != H5T_INTEGER || shape.size() < 2 || shape.size() > 3) {
    throw RunError(
        fmt::format("the mask in '{}' must hold integers of shape (C,H,W) or (C*H,W); "
                    "its shape is {}",
                    file, to_string(shape)));
  }
  mask.values.resize(elements_of(shape));
  if (H5Dread(found.get(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, mask.values.data()) <
      0) {
    throw RunError(fmt::format("the mask in '{}' cannot be read", file));
  }
  return mask;
}

Array bad_pixels(const MaskValues& mask, std::uint64_t good_bits, std::uint64_t bad_bits) {
  const bool has_bits = good_bits != 0 || bad_bits != 0;
  MutableArray bad(*heap_pool(), DType::u8, mask.shape);
  std::ranges::transform(mask.values, bad.as<std::uint8_t>().begin(), [=](std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    const bool is_bad =
        has_bits ? (bits & bad_bits) != 0 || (bits & good_bits) != good_bits : value != 0;
    return static_cast<std::uint8_t>(is_bad);
  });
  return std::move(bad).freeze();
}

Array load_mask(const std::string& file, const std::string& dataset) {
  return bad_pixels(read_mask(file, dataset));
}

Array mask_for(const Array& mask, std::size_t panels, std::size_t height, std::size_t width) {
  const Shape& shape = mask.shape();
  const bool as_panels = shape == Shape{panels, height, width};
  const bool as_slab = shape == Shape{panels * height, width};
  if (!as_panels && !as_slab) {
    throw DataError("wrong shape",
                    fmt::format("the mask is {}; the images are {} panels of {}x{}, which takes a "
                                "mask of {} or {}",
                                to_string(shape), panels, height, width,
                                to_string(Shape{panels, height, width}),
                                to_string(Shape{panels * height, width})));
  }
  return mask.reshaped({panels, height, width});
}

}  // namespace pnflow
