#include "cli/inspector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>
#include <variant>

#include "cli/message_summary.h"
#include "graph/error.h"
#include "io/cxi_file.h"
#include "io/hdf5_image.h"
#include "io/message_reader.h"

namespace pnflow {
namespace {

bool is_unknown(const DataError& error) {
  return error.reason() == "unknown format" || error.reason() == "unsupported format";
}

void add_kind(FileSummary& summary, const std::string& kind) {
  const auto listed = [](const std::string& kinds) { return ", " + kinds + ", "; };
  if (listed(summary.kind).find(listed(kind)) != std::string::npos) return;
  summary.kind += (summary.kind.empty() ? "" : ", ") + kind;
}

// Images that do not say their run belong to the series that began last.
constexpr const char* last_run = "";

double median(std::vector<std::size_t> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto middle = static_cast<double>(values[values.size() / 2]);
  if (values.size() % 2 == 1) return middle;
  return (static_cast<double>(values[values.size() / 2 - 1]) + middle) / 2;
}

CxiSummary summarize_cxi(const CxiReader& file) {
  CxiSummary summary;
  std::vector<std::size_t> counts;
  for (std::size_t event = 0; event < file.events(); ++event) {
    const auto count = file.peak_count(event);
    if (count) counts.push_back(static_cast<std::size_t>(std::max<std::int64_t>(0, *count)));
  }
  if (!counts.empty()) {
    const auto [least, most] = std::ranges::minmax(counts);
    summary.min_peaks = least;
    summary.max_peaks = most;
  }
  summary.total_peaks = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  summary.median_peaks = median(std::move(counts));
  summary.normalized = file.normalized();
  summary.panels = file.panels();
  if (const DatasetInfo* mask = file.info(cxi_path::mask)) summary.mask = mask->shape;
  if (const auto mask = file.mask(0)) {
    const auto pixels = mask->as<std::uint8_t>();
    summary.bad_pixels = static_cast<std::size_t>(std::ranges::count(pixels, std::uint8_t{1}));
  }
  summary.crystfel = check_for_crystfel(file);
  return summary;
}

void add_attributes(std::span<const std::byte> bytes, FileSummary& summary) {
  try {
    const Hdf5Message file(bytes);
    summary.attributes = file.attributes("/");
    for (ArraySummary& array : summary.arrays) array.attributes = file.attributes(array.name);
  } catch (const DataError& error) {
    summary.damage.push_back({0, "", {}, error.reason(), std::string(error.detail())});
  }
}

// What is missing of a master; nothing when the bytes are none.
void add_parts(std::span<const std::byte> bytes, FileSummary& summary) {
  summary.parts = master_parts(bytes, summary.file);
  for (const CxiMasterPart& part : summary.parts) {
    if (part.fault.empty()) continue;
    summary.damage.push_back({summary.messages, cxi_path::data, part.first, "missing part",
                              fmt::format("{}: {}; its {} events are not there for pnflow, and "
                                          "HDF5 reads them as zeros",
                                          part.file, part.fault, part.events)});
  }
}

void add_peaks(const CxiReader& file, EventDetail& detail) {
  detail.is_cxi = true;
  detail.peaks = file.peaks(detail.index);
  std::ranges::stable_sort(detail.peaks, std::greater<>{}, [](const StoredPeak& peak) {
    return std::isnan(peak.total) ? -std::numeric_limits<double>::infinity() : peak.total;
  });
  detail.mask = file.mask(detail.index);
  detail.panels = file.panels();
}

}  // namespace

void Inspector::find_starts(const std::string& path) {
  try {
    MessageFile file(path);
    while (const auto message = file.next()) {
      const auto bytes = message->bytes.raw();
      if (!SimplonMessage::recognises(bytes)) continue;
      try {
        const SimplonMessage simplon(bytes);
        if (simplon.kind() != SimplonMessage::Kind::start) continue;
        for (const std::string& run : {simplon.run(), std::string(last_run)}) {
          starts_.try_emplace(run, bytes.begin(), bytes.end());
        }
      } catch (const DataError&) {
        continue;  // inspect() names the damage
      }
    }
  } catch (const RunError&) {
    return;  // so does it say what cannot be read
  } catch (const DataError&) {
    return;  // and that a record is cut
  }
}

FileSummary Inspector::inspect(const std::string& path) {
  FileSummary summary;
  summary.file = path;
  try {
    MessageFile file(path);
    summary.bytes = file.bytes().size();
    add_messages(file, summary);
    if (file.is_record()) {
      summary.kind = summary.kind.empty() ? "record" : "record of " + summary.kind;
    }
  } catch (const RunError& error) {
    summary.error = error.what();
  }
  events_ += summary.events;
  return summary;
}

void Inspector::add_messages(MessageFile& file, FileSummary& summary) {
  const auto damaged = [&](const DataError& error) {
    summary.damage.push_back(
        {summary.messages, "", {}, error.reason(), std::string(error.detail())});
  };
  try {
    while (const auto message = file.next()) {
      try {
        add_message(message->bytes.raw(), file.is_record() ? "" : summary.file, summary);
      } catch (const DataError& error) {
        // A record is of a known kind, whatever is in it.
        if (!file.is_record() && is_unknown(error)) {
          summary.error = error.what();
        } else {
          damaged(error);
        }
      }
      ++summary.messages;
    }
  } catch (const DataError& error) {
    damaged(error);
  }
}

void Inspector::add_control(const SimplonMessage& message, std::span<const std::byte> bytes,
                            FileSummary& summary) {
  ControlSummary control;
  for (const auto& [key, value] : message.map().entries()) {
    std::string text;
    std::visit(
        [&](const auto& one) {
          if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::span<const std::byte>>) {
            text = fmt::format("({} bytes)", one.size());
          } else {
            text = fmt::to_string(one);
          }
        },
        value);
    if (key == "type") {
      control.type = text;
    } else {
      control.fields.emplace_back(key, text);
    }
  }
  if (message.kind() == SimplonMessage::Kind::start) {
    for (const std::string& run : {message.run(), std::string(last_run)}) {
      starts_[run].assign(bytes.begin(), bytes.end());
    }
  }
  add_kind(summary, "Simplon " + control.type);
  summary.controls.push_back(std::move(control));
}

void Inspector::add_message(std::span<const std::byte> bytes, const std::string& file,
                            FileSummary& summary) {
  OpenOptions options{.file = file};
  if (SimplonMessage::recognises(bytes)) {
    const SimplonMessage message(bytes);
    if (message.kind() != SimplonMessage::Kind::image) {
      add_control(message, bytes, summary);
      return;
    }
    if (const auto found = starts_.find(message.run()); found != starts_.end()) {
      options.start = found->second;
    }
  }
  if (looks_like_hdf5(bytes) && !file.empty()) add_parts(bytes, summary);
  const bool master = !summary.parts.empty();
  if (master && parts_are_among(all_, summary.parts)) {
    summary.counted_in_parts = true;
    add_kind(summary, "CXI master");
    add_attributes(bytes, summary);
    return;
  }
  const auto reader = open_message(bytes, options);
  std::optional<CxiReader> cxi;
  if (reader->format() == "HDF5" && CxiReader::is_cxi(reader->names())) cxi.emplace(bytes, file);
  add_kind(summary, !cxi ? std::string(reader->format()) : master ? "CXI master" : "CXI");

  WantedEvent wanted;
  EventDetail detail;
  detail.file = summary.file;
  const std::size_t before = events_ + summary.events;
  if (wanted_ && *wanted_ >= before) wanted = {*wanted_ - before, &detail};
  std::size_t events = summarize_message(*reader, wanted, summary);
  if (cxi) {
    summary.cxi = summarize_cxi(*cxi);
    events = std::max(events, cxi->events());
  }
  if (reader->format() == "HDF5" && summary.messages == 0) add_attributes(bytes, summary);
  if (wanted.detail != nullptr && wanted.index < events) {
    detail.number = *wanted_;
    detail.index = summary.events + wanted.index;
    detail.fault = fault_at(summary.parts, detail.index);
    if (cxi) add_peaks(*cxi, detail);
    event_ = std::move(detail);
  }
  summary.events += events;
}

}  // namespace pnflow
