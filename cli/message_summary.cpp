#include "cli/message_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "graph/error.h"
#include "io/timestamps.h"
#include "nodes/image_layout.h"
#include "nodes/scalar_field.h"

namespace pnflow {
namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

class MessageSummarizer {
 public:
  MessageSummarizer(const MessageReader& reader, const WantedEvent& wanted, FileSummary& summary)
      : reader_(reader), wanted_(wanted), summary_(summary), message_(summary.messages) {}

  std::size_t run() {
    find_image();
    for (const std::string& name : reader_.names()) add_array(name);
    add_timestamps();
    add_energies();
    return events_;
  }

 private:
  void damaged(const std::string& array, std::optional<std::size_t> entry, const DataError& error) {
    // That a part of a master is missing was said once for all its arrays and events.
    if (entry && !fault_at(summary_.parts, *entry).empty()) return;
    summary_.damage.push_back(
        {message_, array, entry, error.reason(), std::string(error.detail())});
  }

  // Nothing also for what is there and cannot be used: that is said where all arrays are read.
  std::unique_ptr<MessageField> find(const std::vector<std::string>& names) const {
    try {
      return reader_.find(names);
    } catch (const DataError&) {
      return nullptr;
    }
  }

  std::optional<Shape> original_shape() const {
    auto field = find(reader_.usual_names().original_shape);
    if (!field || field->shape().size() != 1) return {};
    const std::size_t axes = field->shape()[0];
    if (axes != 3 && axes != 4) return {};
    const ScalarField numbers(std::move(field), axes);
    Shape shape;
    for (std::size_t i = 0; i < axes; ++i) {
      try {
        shape.push_back(static_cast<std::size_t>(std::max(0.0, numbers.number(i))));
      } catch (const DataError&) {
        return {};
      }
    }
    return shape;
  }

  void find_image() {
    const auto field = find(reader_.usual_names().image);
    if (!field || field->is_text()) return;
    const auto original = original_shape();
    try {
      layout_ = layout_images(field->name(), field->shape(), {ProducerPadding::none, {}, original});
    } catch (const DataError& error) {
      if (error.reason() != "no events") damaged(field->name(), {}, error);
      return;
    }
    image_ = field->name();
    events_ = layout_.events;
    ImageSummary image{
        image_, layout_.event_shape, std::string(name_of(field->dtype())), events_, {}};
    if (original && !std::equal(original->end() - 2, original->end(), image.shape.end() - 2)) {
      image.unpadded = Shape(original->begin() + 1, original->end());
    }
    summary_.add(std::move(image));
  }

  void add_array(const std::string& name) {
    std::unique_ptr<MessageField> field;
    try {
      field = reader_.find(std::span(&name, 1));
    } catch (const DataError& error) {
      // A kind of array that pnflow has no use for is no damage.
      if (error.reason() == "wrong dtype" || error.reason() == "wrong shape" ||
          error.reason() == "unsupported layout") {
        ArraySummary array;
        array.name = name;
        array.unread = error.what();
        summary_.add(std::move(array));
      } else {
        damaged(name, {}, error);
      }
      return;
    }
    if (!field) return;
    const bool text = field->is_text();
    ArraySummary array;
    array.name = name;
    array.shape = field->shape();
    array.dtype = text ? "text" : std::string(name_of(field->dtype()));
    array.storage = field->storage();
    array.stored_bytes = field->stored_bytes();
    if (!text) array.raw_bytes = elements_of(field->shape()) * size_of(field->dtype());
    summary_.add(std::move(array));
    read(*field);
  }

  void read(const MessageField& field) {
    const Shape& shape = field.shape();
    const std::size_t entries = shape.empty() ? 1 : shape[0];
    if (entries == 0) return;
    const bool image = field.name() == image_;
    if (!field.is_text()) {
      const std::size_t bytes = elements_of(shape) / entries * size_of(field.dtype());
      if (bytes > OpenOptions{}.max_array_bytes) {
        damaged(field.name(), {}, DataError("implausible size", to_string(shape)));
        return;
      }
      entry_.resize(bytes);
    }
    for (std::size_t i = 0; i < entries; ++i) {
      try {
        if (field.is_text()) {
          field.text(i);
          continue;
        }
        field.read(i, entry_);
        if (image) add_pixels(field.dtype(), i);
      } catch (const DataError& error) {
        damaged(field.name(), i, error);
        if (image && wanted(i / layout_.entries)) complete_ = false;
      }
    }
    if (image && pixels_ && complete_) wanted_.detail->image = std::move(*pixels_).freeze();
  }

  bool wanted(std::size_t event) const {
    return wanted_.detail != nullptr && event == wanted_.index;
  }

  void add_pixels(DType dtype, std::size_t entry) {
    PixelStatistics statistics;
    statistics.add(entry_, dtype);
    summary_.pixels.add(statistics);
    if (!wanted(entry / layout_.entries)) return;
    wanted_.detail->pixels.add(statistics);
    if (!pixels_) pixels_.emplace(*heap_pool(), dtype, layout_.event_shape);
    const std::size_t at = entry % layout_.entries * entry_.size();
    std::ranges::copy(entry_, pixels_->raw().begin() + static_cast<std::ptrdiff_t>(at));
  }

  // A field with one value for each event; says so when it is there and is none.
  std::unique_ptr<ScalarField> scalar(const std::vector<std::string>& names) {
    auto field = find(names);
    if (!field) return nullptr;
    const std::string name = field->name();
    if (image_.empty() && field->shape().size() == 1 && events_ == 0) events_ = field->shape()[0];
    try {
      return std::make_unique<ScalarField>(std::move(field), events_);
    } catch (const DataError& error) {
      damaged(name, {}, error);
      return nullptr;
    }
  }

  void add_timestamps() {
    const auto field = scalar(reader_.usual_names().timestamp);
    if (!field) return;
    TimeSummary& times = summary_.timestamps;
    times.name = field->name();
    try {
      field->require_timestamps();
    } catch (const DataError& error) {
      damaged(field->name(), {}, error);
      return;
    }
    for (std::size_t event = 0; event < events_; ++event) {
      std::uint64_t stamp = 0;
      try {
        stamp = field->timestamp(event);
      } catch (const DataError&) {
        // Is in the list of damage already; the time is missing.
        stamp = 0;
      }
      times.add(stamp);
      if (wanted(event)) wanted_.detail->timestamp = stamp;
    }
  }

  double number(const ScalarField* field, std::size_t event) const {
    if (field == nullptr) return unknown;
    try {
      return field->number(event);
    } catch (const DataError&) {
      return unknown;
    }
  }

  // One is 12398.4193 over the other in both directions.
  void add_energies() {
    const auto energy = scalar(reader_.usual_names().photon_energy);
    const auto wavelength = scalar(reader_.usual_names().wavelength);
    if (!energy && !wavelength) return;
    summary_.photon_energy.name = (energy ? energy : wavelength)->name();
    summary_.wavelength.name = (wavelength ? wavelength : energy)->name();
    for (std::size_t event = 0; event < events_; ++event) {
      double electronvolts = number(energy.get(), event);
      double angstrom = number(wavelength.get(), event);
      if (!energy) electronvolts = photon_energy_ev(angstrom);
      if (!wavelength) angstrom = photon_energy_ev(electronvolts);
      summary_.photon_energy.add(electronvolts);
      summary_.wavelength.add(angstrom);
      if (wanted(event)) wanted_.detail->photon_energy = electronvolts;
    }
  }

  const MessageReader& reader_;
  const WantedEvent& wanted_;
  FileSummary& summary_;
  std::size_t message_;
  std::string image_;  // name of the array; empty without images
  ImageLayout layout_;
  std::size_t events_ = 0;
  std::vector<std::byte> entry_;
  std::optional<MutableArray> pixels_;  // of the wanted event
  bool complete_ = true;
};

}  // namespace

std::size_t summarize_message(const MessageReader& reader, const WantedEvent& wanted,
                              FileSummary& summary) {
  return MessageSummarizer(reader, wanted, summary).run();
}

}  // namespace pnflow
