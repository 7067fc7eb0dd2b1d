#include "cli/summary_json.h"

#include <variant>

#include "cli/json_number.h"
#include "io/iso_time.h"

namespace pnflow {
namespace {

using nlohmann::ordered_json;

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? nullptr : ordered_json(text);
}

template <class T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : nullptr;
}

ordered_json attributes_json(const std::vector<Hdf5Attribute>& attributes) {
  auto json = ordered_json::object();
  for (const Hdf5Attribute& attribute : attributes) {
    json[attribute.name] =
        std::visit([](const auto& value) { return ordered_json(value); }, attribute.value);
  }
  return json;
}

ordered_json array_json(const ArraySummary& array) {
  if (!array.unread.empty()) return {{"name", array.name}, {"unread", array.unread}};
  ordered_json json = {
      {"name", array.name},
      {"shape", array.shape},
      {"dtype", array.dtype},
      {"storage", array.storage},
      {"raw_bytes", array.dtype == "text" ? nullptr : ordered_json(array.raw_bytes)},
      {"stored_bytes", or_null(array.stored_bytes)},
      {"messages", array.messages}};
  if (!array.attributes.empty()) json["attributes"] = attributes_json(array.attributes);
  return json;
}

ordered_json image_json(const ImageSummary& image) {
  return {{"array", image.name},
          {"shape", image.shape},
          {"dtype", image.dtype},
          {"events", image.events},
          {"unpadded", or_null(image.unpadded)}};
}

ordered_json number_json(const NumberSummary& numbers) {
  return {{"array", numbers.name},
          {"min", json_number(numbers.min)},
          {"max", json_number(numbers.max)},
          {"missing", numbers.missing}};
}

ordered_json time_json(const TimeSummary& times) {
  const bool known = times.known > 0;
  return {{"array", times.name},
          {"first", text_or_null(iso_time(times.first))},
          {"last", text_or_null(iso_time(times.last))},
          {"first_packed", known ? ordered_json(times.first) : nullptr},
          {"last_packed", known ? ordered_json(times.last) : nullptr},
          {"missing", times.missing}};
}

ordered_json pixels_json(const PixelStatistics& pixels) {
  return {{"min", json_number(pixels.min)},
          {"max", json_number(pixels.max)},
          {"mean", json_number(pixels.mean())},
          {"finite", pixels.finite},
          {"non_finite", pixels.non_finite}};
}

ordered_json cxi_json(const CxiSummary& cxi) {
  ordered_json json;
  json["peaks"] = {{"min", cxi.min_peaks},
                   {"median", cxi.median_peaks},
                   {"max", cxi.max_peaks},
                   {"total", cxi.total_peaks}};
  json["normalized"] = or_null(cxi.normalized);
  json["panels"] = or_null(cxi.panels);
  json["mask"] = nullptr;
  if (cxi.mask) json["mask"] = {{"shape", *cxi.mask}, {"bad", cxi.bad_pixels}};
  json["crystfel"] = {{"faults", cxi.crystfel.faults}, {"warnings", cxi.crystfel.warnings}};
  return json;
}

ordered_json control_json(const ControlSummary& control) {
  ordered_json json = {{"type", control.type}};
  for (const auto& [name, text] : control.fields) json[name] = text;
  return json;
}

ordered_json part_json(const CxiMasterPart& part) {
  return {{"file", part.file},
          {"first", part.first},
          {"events", part.events},
          {"fault", text_or_null(part.fault)}};
}

ordered_json damage_json(const Damage& damage) {
  return {{"message", damage.message},
          {"array", text_or_null(damage.array)},
          {"entry", or_null(damage.entry)},
          {"reason", damage.reason},
          {"detail", damage.detail}};
}

template <class T, class F>
ordered_json list_of(const std::vector<T>& items, F&& json_of) {
  auto json = ordered_json::array();
  for (const T& item : items) json.push_back(json_of(item));
  return json;
}

}  // namespace

ordered_json summary_json(const FileSummary& summary) {
  ordered_json json = {{"file", summary.file}, {"bytes", summary.bytes}};
  json["kind"] = text_or_null(summary.kind);
  if (!summary.error.empty()) {
    json["error"] = summary.error;
    return json;
  }
  json["messages"] = summary.messages;
  if (!summary.attributes.empty()) json["attributes"] = attributes_json(summary.attributes);
  json["arrays"] = list_of(summary.arrays, array_json);
  json["events"] = summary.events;
  json["images"] = list_of(summary.images, image_json);
  if (!summary.timestamps.name.empty()) json["timestamps"] = time_json(summary.timestamps);
  if (!summary.photon_energy.name.empty()) {
    json["photon_energy"] = number_json(summary.photon_energy);
    json["wavelength"] = number_json(summary.wavelength);
  }
  if (!summary.images.empty()) json["pixels"] = pixels_json(summary.pixels);
  if (summary.cxi) json["cxi"] = cxi_json(*summary.cxi);
  if (!summary.parts.empty()) json["parts"] = list_of(summary.parts, part_json);
  if (!summary.controls.empty()) json["controls"] = list_of(summary.controls, control_json);
  json["damage"] = list_of(summary.damage, damage_json);
  return json;
}

ordered_json event_json(const EventDetail& event) {
  ordered_json json = {{"event", event.number},
                       {"file", event.file},
                       {"index", event.index},
                       {"timestamp", text_or_null(iso_time(event.timestamp))},
                       {"timestamp_packed", event.timestamp},
                       {"photon_energy", json_number(event.photon_energy)},
                       {"shape", event.image ? ordered_json(event.image->shape()) : nullptr},
                       {"pixels", pixels_json(event.pixels)}};
  if (!event.fault.empty()) json["fault"] = event.fault;
  if (!event.is_cxi) return json;
  json["peaks"] = list_of(event.peaks, [](const StoredPeak& peak) {
    return ordered_json{{"panel", json_number(peak.panel)}, {"x", json_number(peak.x)},
                        {"y", json_number(peak.y)},         {"npix", json_number(peak.npix)},
                        {"total", json_number(peak.total)}, {"maximum", json_number(peak.maximum)},
                        {"snr", json_number(peak.snr)}};
  });
  return json;
}

ordered_json sum_json(const std::vector<FileSummary>& files) {
  const SummaryOfAll sum = sum_of(files);
  return {{"files", sum.files},     {"events", sum.events}, {"bytes", sum.bytes},
          {"damaged", sum.damaged}, {"faulty", sum.faulty}, {"not_read", sum.not_read}};
}

}  // namespace pnflow
