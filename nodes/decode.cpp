#include "nodes/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "io/timestamps.h"

namespace pnflow {

Decode::Decode(Params params)
    : params_(std::move(params)),
      request_{params_.fields, params_.padding, params_.shape, params_.max_decoded.bytes} {}

void Decode::open(OpenContext&) {
  detector_ = std::make_unique<const DetectorMask>(params_.geometry, params_.mask);
}

std::string_view Decode::file_of(const Batch& batch) {
  const Attribute* file = batch.attribute("file");
  return file == nullptr ? std::string_view{} : std::get<std::string>(*file);
}

Decode::Part Decode::part_of(const Batch& batch, std::size_t events) {
  const Attribute* first = batch.attribute("first_event");
  const Attribute* count = batch.attribute("event_count");
  if (first == nullptr || count == nullptr) return {0, events, file_of(batch)};
  const Part part{static_cast<std::size_t>(std::get<std::int64_t>(*first)),
                  static_cast<std::size_t>(std::get<std::int64_t>(*count)), file_of(batch)};
  if (part.first > events || part.count > events - part.first) {
    throw DataError("wrong shape", fmt::format("{} events, none from {} to {}", events, part.first,
                                               part.first + part.count));
  }
  return part;
}

// Text about an event, which says where it is in a file.
std::string Decode::place(const Part& part, std::size_t event, std::string_view detail) {
  if (part.file.empty()) return std::string(detail);
  return fmt::format("{} //{}: {}", part.file, part.first + event, detail);
}

std::shared_ptr<const EventMessage> Decode::opened(const Batch& batch) const {
  const Array& wire = batch.array("wire");
  const Array* start = batch.find("series_start");
  const auto fresh = [&] {
    return std::make_shared<const EventMessage>(wire, start == nullptr ? Array{} : *start,
                                                request_);
  };
  if (batch.attribute("first_event") == nullptr) return fresh();
  // A file comes in many parts, and opening it is slow when it has many chunks.
  const std::scoped_lock lock(mutex_);
  const auto known = std::ranges::find_if(
      files_, [&](const auto& file) { return file->wire().storage() == wire.storage(); });
  if (known != files_.end()) return *known;
  files_.push_back(fresh());
  if (files_.size() > kept_files) files_.pop_front();
  return files_.back();
}

// An event without its time cannot be told from others, so what is damaged here fails it.
Array Decode::read_timestamps(const ScalarField& field, const Part& part, Context& context) const {
  std::vector<std::uint64_t> values(context.events(), 0);
  for (std::size_t event = 0; event < values.size(); ++event) {
    try {
      values[event] = field.timestamp(part.first + event);
    } catch (const DataError& error) {
      context.fail(event, error.reason(), place(part, event, error.detail()));
      continue;
    }
    if (values[event] != 0) continue;
    context.count("missing_timestamp");
    warn_once(fmt::format("an event has an unknown time stamp in {}", field.name()), context);
  }
  return array_of(context.pool(), values);
}

// An event is worth having without these numbers.
std::vector<double> Decode::read_numbers(const ScalarField& field, const Part& part,
                                         const char* missing, bool positive,
                                         Context& context) const {
  std::vector<double> values(context.events(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t event = 0; event < values.size(); ++event) {
    try {
      values[event] = field.number(part.first + event);
    } catch (const DataError& error) {
      context.log(LogLevel::warn,
                  fmt::format("message {} of '{}', event {}: no value: {}", context.message(),
                              context.source(), event, place(part, event, error.what())));
    }
    // 0 stands for unknown in CXI files, and a wavelength of it for a missing monitor elsewhere.
    if (positive && !(values[event] > 0)) {
      values[event] = std::numeric_limits<double>::quiet_NaN();
    }
    if (std::isnan(values[event])) context.count(missing);
  }
  return values;
}

void Decode::add_energy(const EventMessage& message, const Part& part, Batch& batch,
                        Context& context) const {
  if (message.wavelength() == nullptr && message.photon_energy() == nullptr) return;
  std::vector<double> wavelength, energy;
  if (message.wavelength() != nullptr) {
    wavelength = read_numbers(*message.wavelength(), part, "missing_wavelength", true, context);
  }
  if (message.photon_energy() != nullptr) {
    energy = read_numbers(*message.photon_energy(), part, "missing_photon_energy", true, context);
  }
  // One is 12398.4193 over the other in both directions.
  const auto other = [](const std::vector<double>& values) {
    std::vector<double> converted(values.size());
    std::ranges::transform(values, converted.begin(), photon_energy_ev);
    return converted;
  };
  if (wavelength.empty()) wavelength = other(energy);
  if (energy.empty()) energy = other(wavelength);
  batch.set("wavelength", array_of(context.pool(), wavelength));
  batch.set("photon_energy", array_of(context.pool(), energy));
}

Array Decode::read_ids(const ScalarField& field, const Part& part, Context& context) const {
  std::vector<std::int64_t> ids(context.events(), -1);
  for (std::size_t event = 0; event < ids.size(); ++event) {
    try {
      ids[event] = field.integer(part.first + event).value_or(-1);
    } catch (const DataError& error) {
      context.log(LogLevel::warn,
                  fmt::format("message {} of '{}', event {}: no id: {}", context.message(),
                              context.source(), event, place(part, event, error.what())));
    }
  }
  return array_of(context.pool(), ids);
}

void Decode::note_images(const EventMessage& message, Context& context) const {
  const auto images =
      fmt::format("{} {}", to_string(message.event_shape()), name_of(message.dtype()));
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

// Everything that can fail the whole message comes before its events are opened.
Batch Decode::process(const Batch& input, Context& context) const {
  try {
    return decode(input, context);
  } catch (const DataError& error) {
    const auto file = file_of(input);
    if (file.empty()) throw;
    throw DataError(error.reason(), fmt::format("{}: {}", file, error.detail()));
  }
}

Batch Decode::decode(const Batch& input, Context& context) const {
  const auto message = opened(input);
  const Part part = part_of(input, message->events());
  for (const std::string& warning : message->warnings()) warn_once(warning, context);
  note_images(*message, context);
  const std::size_t label_bytes =
      message->has_label()
          ? message->event_bytes() / size_of(message->dtype()) * size_of(message->label_dtype())
          : 0;
  if (part.count > params_.max_decoded.bytes / (message->event_bytes() + label_bytes)) {
    throw DataError("implausible size",
                    fmt::format("{} events of {} {} are more than 'max_decoded', {}", part.count,
                                to_string(message->event_shape()), name_of(message->dtype()),
                                to_string(params_.max_decoded)));
  }
  const auto mask =
      detector_ ? detector_->with(message->mask(), message->event_shape()) : message->mask();
  const auto shared = shared_images(*message, part, context);
  std::optional<MutableArray> image;
  if (!shared) {
    Shape shape = message->event_shape();
    shape.insert(shape.begin(), part.count);
    image.emplace(context.pool(), message->dtype(), std::move(shape));
  }
  context.open_events(part.count);
  Batch batch(part.count);
  if (message->timestamp() != nullptr) {
    batch.set("timestamp", read_timestamps(*message->timestamp(), part, context));
  }
  add_energy(*message, part, batch, context);
  if (message->encoder() != nullptr) {
    batch.set("encoder", array_of(context.pool(), read_numbers(*message->encoder(), part,
                                                               "missing_encoder", false, context)));
  }
  if (message->id() != nullptr) batch.set("id", read_ids(*message->id(), part, context));
  if (message->has_label()) batch.set("label", read_labels(*message, part, context));
  if (mask) batch.set_message_field("mask", *mask);
  batch.set("image", shared ? *shared : read_images(*message, part, std::move(*image), context));
  if (params_.normalized) batch.set_attribute("normalized", true);
  return batch;
}

}  // namespace pnflow
