#include "nodes/decode.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "io/scratch.h"
#include "io/timestamps.h"

namespace pnflow {

// A message that has been opened and found to fit together, before any pixel is read.
struct Decode::Message {
  std::unique_ptr<MessageReader> reader;
  std::unique_ptr<MessageField> image;
  ImageLayout layout;
  Shape shape;  // of the batch's image field
  std::unique_ptr<ScalarField> timestamp, wavelength, photon_energy, encoder;
};

namespace {

bool is_pixel(DType dtype) {
  return dtype == DType::u16 || dtype == DType::i16 || dtype == DType::i32 || dtype == DType::f32 ||
         dtype == DType::f64;
}

using Names = std::vector<std::string>;

const Names& either(const Names& configured, const Names& usual) {
  return configured.empty() ? usual : configured;
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

void describe_fields(Spec<Decode::Fields>& s) {
  s.param("image", &Decode::Fields::image).help("pixels, (B,H,W) or (B,C,H,W)");
  s.param("timestamp", &Decode::Fields::timestamp)
      .help("seconds << 32 | nanoseconds, as integer or float64, or float64 seconds");
  s.param("wavelength", &Decode::Fields::wavelength).help("in angstrom");
  s.param("photon_energy", &Decode::Fields::photon_energy)
      .help("in eV; goes before the wavelength's");
  s.param("encoder", &Decode::Fields::encoder).help("camera length encoder");
  s.param("original_shape", &Decode::Fields::original_shape)
      .help("[B, C, H, W] before padding and merging of panels");
}

}  // namespace

void Decode::describe(Spec<Params>& s) {
  s.summary("Decodes messages of LCLStreamer (HDF5), which it knows by their content.");
  s.opens_events();
  s.default_workers(2);
  s.default_on_error(OnError::skip);
  s.reads("wire").dtypes({DType::u8}).rank(1).help("the message as it came");
  s.drops("wire");
  s.adds("image")
      .dtypes({DType::u16, DType::i16, DType::i32, DType::f32, DType::f64})
      .rank(3, 4)
      .help("pixels in ADU, without a producer's padding");
  s.adds("timestamp").dtypes({DType::u64}).rank(1).optional().help("seconds << 32 | nanoseconds");
  s.adds("wavelength").dtypes({DType::f64}).rank(1).optional().help("angstrom, NaN when missing");
  s.adds("photon_energy").dtypes({DType::f64}).rank(1).optional().help("eV, NaN when missing");
  s.adds("encoder")
      .dtypes({DType::f64})
      .rank(1)
      .optional()
      .help("as the message has it, NaN when missing")
      .when([](const Params& p) { return !p.fields.encoder.empty(); });

  s.group("fields", &Params::fields,
          "names of the fields in the message; of several the first that is there is taken",
          &describe_fields);
  s.param("padding", &Params::padding)
      .choice("none", ProducerPadding::none)
      .choice("center", ProducerPadding::center)
      .choice("bottom-right", ProducerPadding::bottom_right)
      .help(
          "how the producer padded the images; undone by the message's original shape, or by "
          "'shape' where it has none");
  s.param("shape", &Params::shape)
      .at_least(1)
      .unit("pixels")
      .help("of one event without padding, [H, W] or [C, H, W]; a message with another is refused");
  s.param("normalized", &Params::normalized)
      .help("the producer has normalised the pixels: they are not in ADU any more");
  s.param("max_decoded", &Params::max_decoded)
      .help("a message whose images would take more memory is refused");
  s.check("shape", [](const Params& p) -> std::optional<std::string> {
    if (p.shape.empty() || p.shape.size() == 2 || p.shape.size() == 3) return {};
    return "'shape' must be [H, W] or [C, H, W]";
  });
}

Decode::Decode(Params params) : params_(std::move(params)) {}

std::optional<Shape> Decode::original_shape(const MessageReader& reader) const {
  const Names& names = either(params_.fields.original_shape, reader.usual_names().original_shape);
  const auto field = reader.find(names);
  if (!field) return {};
  const std::size_t numbers = field->shape().size() == 1 ? field->shape()[0] : 0;
  if (numbers != 3 && numbers != 4) {
    throw DataError("wrong shape", fmt::format("{} is {}, not 3 or 4 numbers", field->name(),
                                               to_string(field->shape())));
  }
  const ScalarField values(reader.find(names), numbers);
  Shape shape;
  for (std::size_t i = 0; i < numbers; ++i) {
    const double extent = values.number(i);
    if (!(extent >= 1 && extent <= std::numeric_limits<std::int32_t>::max())) {
      throw DataError("wrong shape", fmt::format("{} has an extent of {}", field->name(), extent));
    }
    shape.push_back(static_cast<std::size_t>(extent));
  }
  return shape;
}

std::unique_ptr<ScalarField> Decode::scalar(const MessageReader& reader,
                                            const std::vector<std::string>& names, const char* what,
                                            std::size_t events, Context& context) const {
  if (names.empty()) return nullptr;
  if (auto field = reader.find(names)) {
    return std::make_unique<ScalarField>(std::move(field), events);
  }
  if (what == nullptr) return nullptr;
  warn_once(fmt::format("a message has no {} (looked for {})", what, fmt::join(names, ", ")),
            context);
  return nullptr;
}

Decode::Message Decode::parse(std::span<const std::byte> wire, Context& context) const {
  const Fields& names = params_.fields;
  Message message;
  message.reader = open_message(wire);
  const MessageReader& reader = *message.reader;
  const FieldNames& usual = reader.usual_names();
  const Names& image_names = either(names.image, usual.image);
  message.image = reader.find(image_names);
  if (!message.image) {
    throw DataError("missing image", fmt::format("none of {} is an array of the {} message",
                                                 fmt::join(image_names, ", "), reader.format()));
  }
  const MessageField& image = *message.image;
  if (!is_pixel(image.dtype())) {
    throw DataError("wrong dtype", fmt::format("{} is {}; pixels are uint16, int16, int32, float32 "
                                               "or float64",
                                               image.name(), name_of(image.dtype())));
  }
  const auto original = original_shape(reader);
  message.layout =
      layout_images(image.name(), image.shape(), {params_.padding, params_.shape, original});
  const ImageLayout& layout = message.layout;
  if (params_.padding == ProducerPadding::none && original &&
      ((*original)[original->size() - 2] != layout.height || original->back() != layout.width)) {
    warn_once(fmt::format("images of {}x{} are padded: the message says that they were {}; set "
                          "'padding' to undo that",
                          layout.height, layout.width, to_string(*original)),
              context);
  }
  message.shape = layout.event_shape;
  message.shape.insert(message.shape.begin(), layout.events);
  if (elements_of(message.shape) > params_.max_decoded.bytes / size_of(image.dtype())) {
    throw DataError("implausible size",
                    fmt::format("{} {} is more than 'max_decoded', {}", to_string(message.shape),
                                name_of(image.dtype()), to_string(params_.max_decoded)));
  }
  message.timestamp = scalar(reader, either(names.timestamp, usual.timestamp), "time stamp",
                             layout.events, context);
  if (message.timestamp) message.timestamp->require_timestamps();
  const bool energy_named = !names.photon_energy.empty();
  message.photon_energy = scalar(reader, either(names.photon_energy, usual.photon_energy),
                                 energy_named ? "photon energy" : nullptr, layout.events, context);
  const bool wavelength_wanted = !message.photon_energy || !names.wavelength.empty();
  message.wavelength = scalar(reader, either(names.wavelength, usual.wavelength),
                              wavelength_wanted ? "wavelength" : nullptr, layout.events, context);
  message.encoder = scalar(reader, names.encoder, "encoder", layout.events, context);
  return message;
}

// An event without its time cannot be told from others, so what is damaged here fails it.
Array Decode::read_timestamps(const ScalarField& field, Context& context) const {
  std::vector<std::uint64_t> values(context.events(), 0);
  for (std::size_t event = 0; event < values.size(); ++event) {
    try {
      values[event] = field.timestamp(event);
    } catch (const DataError& error) {
      context.fail(event, error.reason(), error.detail());
      continue;
    }
    if (values[event] != 0) continue;
    context.count("missing_timestamp");
    warn_once(fmt::format("an event has an unknown time stamp in {}", field.name()), context);
  }
  return array_of(context.pool(), values);
}

// An event is worth having without these numbers.
std::vector<double> Decode::read_numbers(const ScalarField& field, const char* missing,
                                         Context& context) const {
  std::vector<double> values(context.events(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t event = 0; event < values.size(); ++event) {
    try {
      values[event] = field.number(event);
    } catch (const DataError& error) {
      context.log(LogLevel::warn,
                  fmt::format("message {} of '{}', event {}: no value: {}", context.message(),
                              context.source(), event, error.what()));
    }
    if (std::isnan(values[event])) context.count(missing);
  }
  return values;
}

void Decode::add_energy(const Message& message, Batch& batch, Context& context) const {
  if (!message.wavelength && !message.photon_energy) return;
  std::vector<double> wavelength, energy;
  if (message.wavelength)
    wavelength = read_numbers(*message.wavelength, "missing_wavelength", context);
  if (message.photon_energy) {
    energy = read_numbers(*message.photon_energy, "missing_photon_energy", context);
  }
  // One is 12398.4193 over the other in both directions.
  const auto other = [](const std::vector<double>& values) {
    std::vector<double> converted(values.size());
    std::ranges::transform(values, converted.begin(), photon_energy_ev);
    return converted;
  };
  if (!message.wavelength) wavelength = other(energy);
  if (!message.photon_energy) energy = other(wavelength);
  batch.set("wavelength", array_of(context.pool(), wavelength));
  batch.set("photon_energy", array_of(context.pool(), energy));
}

Array Decode::read_images(const Message& message, MutableArray image, Context& context) const {
  for (std::size_t event = 0; event < context.events(); ++event) {
    const auto pixels = image.raw_at(event);
    if (context.alive(event) && !context.aborting()) {
      try {
        read_event(*message.image, message.layout, event, pixels);
        continue;
      } catch (const DataError& error) {
        context.fail(event, error.reason(), error.detail());
      }
    }
    std::memset(pixels.data(), 0, pixels.size());
  }
  return std::move(image).freeze();
}

void Decode::note_images(const Message& message, Context& context) const {
  const auto& event = message.layout.event_shape;
  const auto images = fmt::format("{} {}", to_string(event), name_of(message.image->dtype()));
  const std::scoped_lock lock(mutex_);
  if (images == last_images_) return;
  context.log(LogLevel::info,
              last_images_.empty()
                  ? fmt::format("images are {}", images)
                  : fmt::format("images have changed from {} to {}", last_images_, images));
  last_images_ = images;
}

void Decode::warn_once(const std::string& line, Context& context) const {
  const std::scoped_lock lock(mutex_);
  if (warned_.insert(line).second) context.log(LogLevel::warn, line + " (said once)");
}

Batch Decode::process(const Batch& input, Context& context) const {
  const Message message = parse(input.array("wire").raw(), context);
  note_images(message, context);
  // Everything that can fail the whole message is behind us once its memory is there.
  MutableArray image(context.pool(), message.image->dtype(), message.shape);
  context.open_events(message.layout.events);
  Batch batch(message.layout.events);
  if (message.timestamp) batch.set("timestamp", read_timestamps(*message.timestamp, context));
  add_energy(message, batch, context);
  if (message.encoder) {
    batch.set("encoder",
              array_of(context.pool(), read_numbers(*message.encoder, "missing_encoder", context)));
  }
  batch.set("image", read_images(message, std::move(image), context));
  if (params_.normalized) batch.set_attribute("normalized", true);
  return batch;
}

}  // namespace pnflow
