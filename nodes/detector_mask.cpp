#include "nodes/detector_mask.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "graph/error.h"
#include "nodes/slab_layout.h"

namespace pnflow {
namespace {

// A file that the geometry names is looked for as CrystFEL does, and beside the geometry.
bool is_same_file(const std::string& named, const std::string& geometry, const std::string& file) {
  std::error_code ignored;
  const std::filesystem::path beside = std::filesystem::path(geometry).parent_path() / named;
  return std::filesystem::equivalent(named, file, ignored) ||
         std::filesystem::equivalent(beside, file, ignored);
}

// What the geometry says of this mask; no bits when it says nothing.
GeometryMask meaning_of(const CrystfelGeometry& geometry, const std::string& file,
                        const std::string& dataset) {
  for (const GeometryMask& mask : geometry.panels.front().masks) {
    if (mask.data != dataset) continue;
    if (mask.file.empty() || is_same_file(mask.file, geometry.file, file)) return mask;
  }
  return {};
}

void add(std::span<std::uint8_t> bad, std::span<const std::uint8_t> more) {
  std::ranges::transform(bad, more, bad.begin(), [](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(a != 0 || b != 0);
  });
}

void fill(std::span<std::uint8_t> slab, std::size_t columns, const SlabRange& range,
          std::uint8_t value) {
  for (std::size_t ss = range.min_ss; ss <= range.max_ss; ++ss) {
    std::ranges::fill(slab.subspan(ss * columns + range.min_fs, range.width()), value);
  }
}

// A rectangle in the laboratory leaves out the pixels whose centres are in it.
void fill(std::span<std::uint8_t> slab, std::size_t columns, const GeometryPanel& panel,
          const BadRegion& region) {
  const SlabRange& range = panel.range;
  for (std::size_t ss = range.min_ss; ss <= range.max_ss; ++ss) {
    const double along_ss = static_cast<double>(ss - range.min_ss) + 0.5;
    for (std::size_t fs = range.min_fs; fs <= range.max_fs; ++fs) {
      const double along_fs = static_cast<double>(fs - range.min_fs) + 0.5;
      const double x = panel.corner_x + along_fs * panel.fs.x + along_ss * panel.ss.x;
      const double y = panel.corner_y + along_fs * panel.fs.y + along_ss * panel.ss.y;
      const bool inside =
          x >= region.min_x && x <= region.max_x && y >= region.min_y && y <= region.max_y;
      if (inside) slab[ss * columns + fs] = 1;
    }
  }
}

}  // namespace

void MaskSource::describe(Spec<MaskSource>& spec) {
  spec.param("file", &MaskSource::file)
      .required()
      .help("HDF5 file, not 0 = bad: of the images' shape, (C*H,W), or the geometry's slab");
  spec.param("dataset", &MaskSource::dataset)
      .help("where the mask is in its file; default /mask, then /entry_1/data_1/mask");
}

DetectorMask::DetectorMask(const std::optional<std::string>& geometry,
                           const std::optional<MaskSource>& mask) {
  if (geometry) geometry_.emplace(*geometry);
  if (!mask) return;
  const MaskValues values = read_mask(mask->file, mask->dataset);
  const GeometryMask meaning =
      geometry_ ? meaning_of(geometry_->geometry, mask->file, values.dataset) : GeometryMask{};
  mask_ = bad_pixels(values, meaning.good_bits, meaning.bad_bits);
  mask_name_ = fmt::format("mask '{}' of '{}'", values.dataset, mask->file);
}

// The file's mask in the shape of the images, or, with a geometry, of its slab.
Array DetectorMask::fitting(const Shape& event_shape) const {
  const Shape& shape = mask_->shape();
  if (shape == event_shape) return *mask_;
  if (geometry_ && shape == Shape{geometry_->rows, geometry_->columns}) {
    return SlabLayout(*geometry_, event_shape).to_panels(*mask_).reshaped(event_shape);
  }
  const bool has_panels = event_shape.size() == 3;
  const Shape stacked = {event_shape[0] * (has_panels ? event_shape[1] : 1), event_shape.back()};
  if (has_panels && !geometry_ && shape == stacked) return mask_->reshaped(event_shape);
  throw DataError(
      "wrong shape",
      fmt::format("the {} is {}; the images are {}, which takes {}{}", mask_name_, to_string(shape),
                  to_string(event_shape), to_string(event_shape),
                  geometry_    ? fmt::format(" or the slab of {}, {}x{}", geometry_->geometry.file,
                                             geometry_->rows, geometry_->columns)
                  : has_panels ? " or " + to_string(stacked)
                               : ""));
}

Array DetectorMask::slab() const {
  const std::size_t columns = geometry_->columns;
  MutableArray slab(*heap_pool(), DType::u8, {geometry_->rows, columns});
  const auto bad = slab.as<std::uint8_t>();
  std::ranges::fill(bad, std::uint8_t{1});
  const auto& panels = geometry_->geometry.panels;
  for (const GeometryPanel& panel : panels) fill(bad, columns, panel.range, 0);
  for (const BadRegion& region : geometry_->geometry.bad_regions) {
    if (region.panel) {
      fill(bad, columns, region.range, 1);
    } else {
      for (const GeometryPanel& panel : panels) fill(bad, columns, panel, region);
    }
  }
  return std::move(slab).freeze();
}

Array DetectorMask::of(const Shape& event_shape) const {
  const std::scoped_lock lock(mutex_);
  if (latest_ && latest_->shape() == event_shape) return *latest_;
  MutableArray bad(*heap_pool(), DType::u8, event_shape);
  const auto pixels = bad.as<std::uint8_t>();
  std::ranges::fill(pixels, std::uint8_t{0});
  if (mask_) add(pixels, fitting(event_shape).as<std::uint8_t>());
  if (geometry_) {
    add(pixels, SlabLayout(*geometry_, event_shape).to_panels(slab()).as<std::uint8_t>());
  }
  latest_ = std::move(bad).freeze();
  return *latest_;
}

std::optional<Array> DetectorMask::with(const std::optional<Array>& own,
                                        const Shape& event_shape) const {
  if (!geometry_ && !mask_) return own;
  Array detector = of(event_shape);
  if (!own) return detector;
  MutableArray bad(*heap_pool(), DType::u8, event_shape);
  std::ranges::copy(detector.as<std::uint8_t>(), bad.as<std::uint8_t>().begin());
  add(bad.as<std::uint8_t>(), own->as<std::uint8_t>());
  return std::move(bad).freeze();
}

}  // namespace pnflow
