#include "nodes/event_message.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "graph/error.h"
#include "graph/memory.h"
#include "io/scratch.h"

namespace pnflow {
namespace {

using Names = std::vector<std::string>;

const Names& either(const Names& configured, const Names& usual) {
  return configured.empty() ? usual : configured;
}

bool is_pixel(DType dtype) {
  return dtype == DType::u16 || dtype == DType::i16 || dtype == DType::i32 || dtype == DType::f32 ||
         dtype == DType::f64;
}

// The pixels of one event; `out` holds all of its images.
void read_event(const MessageField& field, const ImageLayout& layout, std::size_t event,
                std::span<std::byte> out) {
  const std::size_t element_bytes = size_of(field.dtype());
  const std::size_t entry_bytes = out.size() / layout.entries;
  thread_local Scratch scratch;
  for (std::size_t i = 0; i < layout.entries; ++i) {
    const auto part = out.subspan(i * entry_bytes, entry_bytes);
    const std::size_t entry = event * layout.entries + i;
    if (!layout.padded()) {
      field.read(entry, part);
      continue;
    }
    const auto stored =
        scratch.take(layout.images * layout.padded_height * layout.padded_width * element_bytes);
    field.read(entry, stored);
    layout.crop(stored, part, element_bytes);
  }
}

// 1 where the array is not 0, all of it.
Array nonzero(const MessageField& field, const Shape& shape) {
  const std::size_t entries = field.shape().front();
  const std::size_t entry_elements = elements_of(field.shape()) / entries;
  MutableArray flags(*heap_pool(), DType::u8, shape);
  const auto out = flags.as<std::uint8_t>();
  dispatch(field.dtype(), [&](auto zero) {
    std::vector<decltype(zero)> values(entry_elements);
    for (std::size_t entry = 0; entry < entries; ++entry) {
      field.read(entry, std::as_writable_bytes(std::span(values)));
      std::ranges::transform(
          values, out.subspan(entry * entry_elements).begin(),
          [zero](auto value) { return static_cast<std::uint8_t>(value != zero); });
    }
  });
  return std::move(flags).freeze();
}

}  // namespace

EventMessage::EventMessage(Array wire, Array start, const Request& request)
    : wire_(std::move(wire)), start_(std::move(start)) {
  reader_ = open_message(
      wire_.raw(),
      {.max_array_bytes = request.max_array_bytes, .start = start_.raw(), .shape = request.shape});
  const Fields& names = request.fields;
  const FieldNames& usual = reader_->usual_names();
  open_image(request);
  timestamp_ = scalar(either(names.timestamp, usual.timestamp), "time stamp");
  if (timestamp_) timestamp_->require_timestamps();
  photon_energy_ = scalar(either(names.photon_energy, usual.photon_energy),
                          names.photon_energy.empty() ? nullptr : "photon energy");
  const bool missed = !photon_energy_ || !names.wavelength.empty();
  wavelength_ = scalar(either(names.wavelength, usual.wavelength), missed ? "wavelength" : nullptr);
  encoder_ = scalar(names.encoder, "encoder");
  id_ = scalar(names.id, "id");
  open_label(request);
  open_mask(request);
}

void EventMessage::open_image(const Request& request) {
  const FieldNames& usual = reader_->usual_names();
  const Names& names = either(request.fields.image, usual.image);
  image_ = reader_->find(names);
  if (!image_) {
    throw DataError("missing image", fmt::format("none of {} is an array of the {} message",
                                                 fmt::join(names, ", "), reader_->format()));
  }
  if (image_->is_text() || !is_pixel(image_->dtype())) {
    throw DataError(
        "wrong dtype",
        fmt::format("{} is {}; pixels are uint16, int16, int32, float32 or float64", image_->name(),
                    image_->is_text() ? "text" : name_of(image_->dtype())));
  }
  const auto original = original_shape(either(request.fields.original_shape, usual.original_shape));
  layout_ =
      layout_images(image_->name(), image_->shape(), {request.padding, request.shape, original});
  if (request.padding == ProducerPadding::none && original &&
      ((*original)[original->size() - 2] != layout_.height || original->back() != layout_.width)) {
    warnings_.push_back(
        fmt::format("images of {}x{} are padded: the message says that they were {}; set "
                    "'padding' to undo that",
                    layout_.height, layout_.width, to_string(*original)));
  }
}

void EventMessage::open_label(const Request& request) {
  const Names& names = request.fields.label;
  if (names.empty()) return;
  label_ = reader_->find(names);
  if (!label_) {
    warnings_.push_back(
        fmt::format("a message has no label (looked for {})", fmt::join(names, ", ")));
    return;
  }
  if (label_->is_text()) {
    throw DataError("wrong dtype", fmt::format("{} is text, not a label", label_->name()));
  }
  // A label was never padded by a producer.
  label_layout_ = layout_images(label_->name(), label_->shape(),
                                {ProducerPadding::none, request.shape, std::nullopt});
  if (label_layout_.event_shape != layout_.event_shape || label_layout_.events != layout_.events) {
    throw DataError("wrong shape",
                    fmt::format("{} is {}, not a label for {} events of {}", label_->name(),
                                to_string(label_->shape()), events(), to_string(event_shape())));
  }
}

void EventMessage::open_mask(const Request& request) {
  const Names& names = request.fields.mask;
  if (names.empty()) return;
  const auto field = reader_->find(names);
  if (!field) {
    warnings_.push_back(
        fmt::format("a message has no mask (looked for {})", fmt::join(names, ", ")));
    return;
  }
  const Shape& shape = event_shape();
  const bool fits = field->shape() == shape ||
                    (shape.size() == 3 && field->shape() == Shape{shape[0] * shape[1], shape[2]});
  if (!fits || field->is_text()) {
    throw DataError("wrong shape",
                    fmt::format("{} is {}, not a mask for images of {}", field->name(),
                                to_string(field->shape()), to_string(shape)));
  }
  if (event_bytes() > request.max_array_bytes) {
    throw DataError("implausible size", fmt::format("a mask for images of {}", to_string(shape)));
  }
  mask_ = nonzero(*field, shape);
}

std::optional<Shape> EventMessage::original_shape(const Names& names) const {
  auto field = reader_->find(names);
  if (!field) return {};
  const std::size_t numbers = field->shape().size() == 1 ? field->shape()[0] : 0;
  if (numbers != 3 && numbers != 4) {
    throw DataError("wrong shape", fmt::format("{} is {}, not 3 or 4 numbers", field->name(),
                                               to_string(field->shape())));
  }
  const ScalarField values(std::move(field), numbers);
  Shape shape;
  for (std::size_t i = 0; i < numbers; ++i) {
    const double extent = values.number(i);
    if (!(extent >= 1 && extent <= std::numeric_limits<std::int32_t>::max())) {
      throw DataError("wrong shape", fmt::format("{} has an extent of {}", values.name(), extent));
    }
    shape.push_back(static_cast<std::size_t>(extent));
  }
  return shape;
}

std::unique_ptr<ScalarField> EventMessage::scalar(const Names& names, const char* what) {
  if (names.empty()) return nullptr;
  if (auto field = reader_->find(names)) {
    return std::make_unique<ScalarField>(std::move(field), events());
  }
  if (what != nullptr) {
    warnings_.push_back(
        fmt::format("a message has no {} (looked for {})", what, fmt::join(names, ", ")));
  }
  return nullptr;
}

void EventMessage::read_image(std::size_t event, std::span<std::byte> out) const {
  read_event(*image_, layout_, event, out);
}

std::size_t EventMessage::images_at_once() const {
  const std::size_t entries = image_->entries_at_once();
  return entries / layout_.entries + (entries % layout_.entries != 0 ? 1 : 0);
}

std::optional<Array> EventMessage::images_in_place(std::size_t first, std::size_t count) const {
  if (layout_.padded()) return {};
  const auto bytes = image_->in_place(first * layout_.entries, count * layout_.entries);
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(dtype()) == 0;
  if (bytes.empty() || !aligned) return {};
  Shape shape = event_shape();
  shape.insert(shape.begin(), count);
  const auto owners =
      std::make_shared<const std::pair<Array, std::shared_ptr<const MessageField>>>(wire_, image_);
  return Array(dtype(), std::move(shape), {owners, bytes.data()});
}

void EventMessage::read_label(std::size_t event, std::span<std::byte> out) const {
  read_event(*label_, label_layout_, event, out);
}

}  // namespace pnflow
