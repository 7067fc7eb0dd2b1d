#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "graph/array.h"

namespace pnflow {

enum class PadStyle : std::uint8_t { center, bottom_right };

// The size to which images are padded before they go into a network, in pixels.
struct MapPadding {
  std::size_t height = 0;
  std::size_t width = 0;
  PadStyle style = PadStyle::center;
};

// The part of an image that a network sees, in pixels.
struct MapCrop {
  std::size_t height = 0;
  std::size_t width = 0;
  std::optional<std::size_t> top = {};  // of its first pixel in the image; nothing: the middle
  std::optional<std::size_t> left = {};
};

// How a segmentation map comes back.
//   bits   one bit a pixel, rows padded to whole 64-bit words, least significant bit first
//   uint8  one byte a pixel, 0 or 1
enum class MapFormat : std::uint8_t { bits, uint8 };

// Where an image lies in the segmentation map of its network, in pixels. The map has the size of
// the padded image. Where images are cropped, `image` means the part that is left of each.
struct MapGeometry {
  std::size_t height = 0, width = 0;  // of the image
  std::size_t map_height = 0, map_width = 0;
  std::size_t top = 0, left = 0;            // of the image's first pixel in the map
  std::size_t crop_top = 0, crop_left = 0;  // of the image's first pixel in the received image
  std::size_t stride = 0;                   // from a row to the next one in the received image

  constexpr std::size_t pixels() const { return height * width; }
  // Whether the rows of the image follow each other in the received one.
  constexpr bool whole_rows() const { return stride == width; }
  // The image's first element in the received one.
  constexpr std::size_t first() const { return crop_top * stride + crop_left; }
  // Elements of the received image from the image's first one to its last one.
  constexpr std::size_t extent() const { return (height - 1) * stride + width; }
  constexpr std::size_t map_pixels() const { return map_height * map_width; }
  // 64-bit words in a row of a map in bits.
  constexpr std::size_t words() const { return (map_width + 63) / 64; }
  // Elements in a row of the map: words or bytes.
  constexpr std::size_t row_elements(MapFormat format) const {
    return format == MapFormat::bits ? words() : map_width;
  }
  constexpr std::size_t map_bytes(MapFormat format) const {
    return map_height * row_elements(format) * (format == MapFormat::bits ? 8 : 1);
  }
  friend bool operator==(const MapGeometry&, const MapGeometry&) = default;
};

// The geometry of received images of height x width, which are cropped and then padded. Style
// `center` puts the smaller half of the padding above and to the left, `bottom_right` puts all of
// it below and to the right (as LCLStreamer does). Throws DataError("wrong shape") when `crop` does
// not lie in the image, or what is left is larger than the padded size.
MapGeometry map_geometry(std::size_t height, std::size_t width,
                         const std::optional<MapPadding>& pad,
                         const std::optional<MapCrop>& crop = {});

// Copies an image with elements of `element_bytes` out of the received one, row to row. `from` is
// its first pixel.
void copy_image(const std::byte* from, std::size_t element_bytes, const MapGeometry& geometry,
                std::byte* to);

// Writes one row of a map: `classes` holds map_width values, 0 or 1. `row` is the row's first
// element in the map's format, 8-byte aligned for bits.
void store_map_row(const std::uint8_t* classes, const MapGeometry& geometry, MapFormat format,
                   std::byte* row);

}  // namespace pnflow
