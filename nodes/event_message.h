#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/array.h"
#include "io/message_reader.h"
#include "nodes/image_layout.h"
#include "nodes/scalar_field.h"

namespace pnflow {

// A message, or a file, that has been opened and found to fit together before any pixel is read:
// its arrays, and how they become events. Immutable, so safe to use from several threads.
class EventMessage {
 public:
  // Where a field is: the first of the names that the message has; without any, those that its
  // format uses. Encoder, id, label and mask have no usual names.
  struct Fields {
    std::vector<std::string> image, timestamp, wavelength, photon_energy, encoder, id,
        original_shape, label, mask;
  };
  struct Request {
    Fields fields;
    ProducerPadding padding = ProducerPadding::none;
    Shape shape;  // of one event without padding, (H,W) or (C,H,W); empty: as the message has it
    std::size_t max_array_bytes = 0;
  };

  // `wire` is the message, `start` the start message of its Simplon series or empty; both are held.
  // Throws DataError for what costs the whole message: "unknown format", "truncated", "damaged
  // metadata", "missing image", "no events", "wrong shape", "wrong dtype", "no original shape", "no
  // start message", "implausible size", "unknown filter N", "wrong checksum".
  EventMessage(Array wire, Array start, const Request& request);

  const Array& wire() const { return wire_; }
  std::size_t events() const { return layout_.events; }
  // (H,W) or (C,H,W), without padding.
  const Shape& event_shape() const { return layout_.event_shape; }
  DType dtype() const { return image_->dtype(); }
  std::size_t event_bytes() const { return elements_of(event_shape()) * size_of(dtype()); }

  // The pixels of an event in C order; `out` is event_bytes() long. Throws DataError ("damaged
  // chunk", "truncated", "wrong checksum") for what costs this event.
  void read_image(std::size_t event, std::span<std::byte> out) const;
  // Neighbours that had better be read by one thread (MessageField::entries_at_once()).
  std::size_t images_at_once() const;
  // `count` events from `first` on as (count,)+event_shape() where they are, in the message or as
  // its reader has decompressed them; nothing when they are not there as they are to be.
  std::optional<Array> images_in_place(std::size_t first, std::size_t count) const;
  // The label of each pixel of an event, in the same way; element type label_dtype().
  bool has_label() const { return label_ != nullptr; }
  DType label_dtype() const { return label_->dtype(); }
  void read_label(std::size_t event, std::span<std::byte> out) const;
  // uint8, 1 = bad, of event_shape(); absent when no mask was asked for or the message has none.
  const std::optional<Array>& mask() const { return mask_; }

  // Numbers of each event; nullptr when the message has no such field.
  const ScalarField* timestamp() const { return timestamp_.get(); }
  const ScalarField* wavelength() const { return wavelength_.get(); }
  const ScalarField* photon_energy() const { return photon_energy_.get(); }
  const ScalarField* encoder() const { return encoder_.get(); }
  const ScalarField* id() const { return id_.get(); }

  // What is odd about the message and costs nothing: fields that it lacks, padding left in place.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  using Names = std::vector<std::string>;

  void open_image(const Request& request);
  void open_label(const Request& request);
  void open_mask(const Request& request);
  std::optional<Shape> original_shape(const Names& names) const;
  // `what` names a field that is missed when it is not there; nullptr: it is not.
  std::unique_ptr<ScalarField> scalar(const Names& names, const char* what);

  Array wire_, start_;
  std::unique_ptr<MessageReader> reader_;
  std::shared_ptr<const MessageField> image_;  // also held by arrays that share its memory
  std::unique_ptr<MessageField> label_;
  ImageLayout layout_, label_layout_;
  std::optional<Array> mask_;
  std::unique_ptr<ScalarField> timestamp_, wavelength_, photon_energy_, encoder_, id_;
  std::vector<std::string> warnings_;
};

}  // namespace pnflow
