#include "cli/file_events.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "graph/error.h"
#include "graph/mapped_file.h"
#include "io/cxi_master_parts.h"
#include "io/find_files.h"
#include "io/hdf5_image.h"
#include "io/message_reader.h"
#include "io/record_reader.h"
#include "io/timestamps.h"
#include "nodes/scalar_field.h"

namespace pnflow {

struct FileEvents::File {
  explicit File(std::string file) : name(std::move(file)), map(name) {}

  std::unique_ptr<ScalarField> scalar(const std::vector<std::string>& names) const {
    auto field = reader->find(names);
    return field ? std::make_unique<ScalarField>(std::move(field), events) : nullptr;
  }
  double wavelength_of(std::size_t event) const {
    if (wavelength) return wavelength->number(event);
    // One is 12398.4193 over the other in both directions.
    return energy ? photon_energy_ev(energy->number(event))
                  : std::numeric_limits<double>::quiet_NaN();
  }

  std::string name;
  MappedFile map;
  std::unique_ptr<MessageReader> reader;
  std::unique_ptr<MessageField> image;
  std::unique_ptr<ScalarField> timestamp, wavelength, energy;
  std::size_t first = 0, events = 0;
};

FileEvents::FileEvents(const std::vector<std::string>& patterns, std::size_t count) {
  const std::vector<std::string> names = find_files(patterns);
  for (const std::string& name : names) {
    try {
      add(name, names);
    } catch (const DataError& error) {
      throw RunError(fmt::format("'{}': {}", name, error.what()));
    }
  }
  if (count > 0) size_ = std::min(size_, count);
}

FileEvents::~FileEvents() = default;

void FileEvents::add(const std::string& name, const std::vector<std::string>& all) {
  auto file = std::make_unique<File>(name);
  if (looks_like_record(file->map.bytes())) {
    throw RunError(
        fmt::format("'{}' is a record, whose messages are sent as they are: --format is "
                    "for data files",
                    name));
  }
  if (looks_like_hdf5(file->map.bytes())) {
    const auto parts = master_parts(file->map.bytes(), name);
    if (parts_are_among(all, parts)) return;
    for (const CxiMasterPart& part : parts) {
      if (part.fault.empty()) continue;
      throw RunError(fmt::format("'{}' lacks the {} events of {}: {}", name, part.events, part.file,
                                 part.fault));
    }
  }
  file->reader = open_message(file->map.bytes(), {.file = name});
  const FieldNames& names = file->reader->usual_names();
  file->image = file->reader->find(names.image);
  if (!file->image) {
    throw RunError(
        fmt::format("'{}' has no images: none of {}", name, fmt::join(names.image, ", ")));
  }
  const Shape& shape = file->image->shape();
  if (shape.size() != 3 && shape.size() != 4) {
    throw RunError(fmt::format("'{}': {} is {}; images are (B,H,W) or (B,C,H,W)", name,
                               file->image->name(), to_string(shape)));
  }
  const Shape event_shape(shape.begin() + 1, shape.end());
  if (files_.empty()) {
    dtype_ = file->image->dtype();
    event_shape_ = event_shape;
  } else if (file->image->dtype() != dtype_ || event_shape != event_shape_) {
    throw RunError(fmt::format("'{}' has images of {} {}, '{}' of {} {}", name,
                               to_string(event_shape), name_of(file->image->dtype()),
                               files_.front()->name, to_string(event_shape_), name_of(dtype_)));
  }
  file->events = shape.front();
  file->timestamp = file->scalar(names.timestamp);
  if (file->timestamp) file->timestamp->require_timestamps();
  file->wavelength = file->scalar(names.wavelength);
  file->energy = file->scalar(names.photon_energy);
  has_timestamps_ = has_timestamps_ || file->timestamp;
  has_wavelengths_ = has_wavelengths_ || file->wavelength || file->energy;
  file->first = size_;
  size_ += file->events;
  files_.push_back(std::move(file));
}

const FileEvents::File& FileEvents::find(std::size_t& event) const {
  const auto behind = std::ranges::upper_bound(
      files_, event, {}, [](const std::unique_ptr<File>& file) { return file->first; });
  const File& file = **std::prev(behind);
  event -= file.first;
  return file;
}

SuppliedEvents FileEvents::read(std::size_t first, std::size_t count) {
  SuppliedEvents events;
  events.shape = event_shape_;
  events.shape.insert(events.shape.begin(), count);
  const std::size_t event_bytes = elements_of(event_shape_) * size_of(dtype_);
  events.pixels.resize(count * event_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t event = first + i;
    const File& file = find(event);
    try {
      file.image->read(event, std::span(events.pixels).subspan(i * event_bytes, event_bytes));
      if (has_timestamps_) {
        events.timestamps.push_back(file.timestamp ? file.timestamp->timestamp(event) : 0);
      }
      if (has_wavelengths_) events.wavelengths.push_back(file.wavelength_of(event));
    } catch (const DataError& error) {
      throw RunError(fmt::format("'{}', event {}: {}", file.name, event, error.what()));
    }
  }
  return events;
}

std::uint64_t FileEvents::timestamp(std::size_t event) {
  const File& file = find(event);
  return file.timestamp ? file.timestamp->timestamp(event) : 0;
}

}  // namespace pnflow
