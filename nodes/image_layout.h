#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "graph/array.h"

namespace pnflow {

// How a producer enlarged each image with zeros, to a size that a model takes.
enum class ProducerPadding { none, center, bottom_right };

// What a configuration or a message says of the images without padding.
struct ImageLayoutRequest {
  ProducerPadding padding = ProducerPadding::none;
  Shape wanted;  // [H, W] or [C, H, W] of one event; empty: as the message has it
  std::optional<Shape>
      original;  // [B, C, H, W] or [B, H, W] as the message says; absent: it does not
};

// How the images of a message's array become events of pnflow's: which entries belong to one event
// (producers merge panels into the first axis), and which part of an image is not padding.
struct ImageLayout {
  std::size_t events = 0;
  Shape event_shape;                                // of the result: (H, W) or (C, H, W)
  std::size_t entries = 1;                          // of the array's first axis for one event
  std::size_t images = 1;                           // in one such entry
  std::size_t height = 0, width = 0;                // of the image without padding
  std::size_t padded_height = 0, padded_width = 0;  // as stored
  std::size_t top = 0, left = 0;                    // of the image in the stored one

  bool padded() const { return height != padded_height || width != padded_width; }

  // The parts of one stored entry that are not padding, from `stored` into `out`, which hold
  // images x padded_height x padded_width and images x height x width elements of `element_bytes`.
  void crop(std::span<const std::byte> stored, std::span<std::byte> out,
            std::size_t element_bytes) const;
};

// For an array of shape `stored`, (B, H, W), (B, C, H, W) or merged (B*C, 1, H, W); `name` is for
// the texts. An original shape of the message goes before `wanted` and must agree with it. Throws
// DataError: "no events"; "wrong shape" when the parts do not fit together; "no original shape"
// when padding shall be undone and neither source says to what.
ImageLayout layout_images(const std::string& name, const Shape& stored,
                          const ImageLayoutRequest& request);

}  // namespace pnflow
