#include "graph/trace_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

namespace pnflow {

namespace {

using Record = TraceRecords::Record;
using Track = TraceRecords::Track;
using Records = std::vector<const Record*>;

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Microseconds, exactly.
std::string us(std::int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

class Writer {
 public:
  Writer(std::ostream& out, const TraceRecords& recorded) : out_(out), recorded_(recorded) {
    for (const std::string& text : recorded.texts) texts_.push_back(json_string(text));
  }

  void write(std::string_view run) {
    out_ << fmt::format(
        R"({{"displayTimeUnit":"ms","otherData":{{"program":"pnflow {}","run":{},"limit":{},)"
        R"("left_out":{}}},"traceEvents":[)",
        PNFLOW_VERSION, json_string(run), recorded_.limit, recorded_.left_out);
    write_groups();
    std::vector<Records> by_track(recorded_.tracks.size());
    for (const Record& record : recorded_.records) by_track[record.track].push_back(&record);
    for (std::size_t i = 0; i < by_track.size(); ++i) {
      write_track(recorded_.tracks[i], by_track[i]);
    }
    write_limit();
    out_ << "\n]}\n";
  }

 private:
  template <class... Values>
  void event(fmt::format_string<Values...> format, Values&&... values) {
    out_ << std::exchange(separator_, ",\n")
         << fmt::format(format, std::forward<Values>(values)...);
  }

  void name(std::string_view what, int process, int thread, std::string_view text) {
    event(R"({{"ph":"M","pid":{0},"tid":{1},"name":"{2}_name","args":{{"name":{3}}}}})", process,
          thread, what, json_string(text));
    event(R"({{"ph":"M","pid":{0},"tid":{1},"name":"{2}_sort_index","args":{{"sort_index":{3}}}}})",
          process, thread, what, what == "process" ? process : thread);
  }

  void write_groups() {
    for (const Track& track : recorded_.tracks) {
      const auto next = static_cast<int>(groups_.size() + 1);
      if (groups_.try_emplace(track.group, next).second) name("process", next, 0, track.group);
    }
    // A thread with its process's number would be taken for the first of it.
    next_row_ = static_cast<int>(groups_.size()) + 2;
  }

  // Tracks of one group and name share their rows.
  int row(const Track& track, const std::string& name_of_row) {
    const auto [row, is_new] = rows_.try_emplace({track.group, name_of_row}, next_row_);
    if (is_new) name("thread", groups_.at(track.group), next_row_++, name_of_row);
    return row->second;
  }

  void write_track(const Track& track, Records& records) {
    if (track.layout == Trace::Layout::values) return write_values(track, records);
    // They were recorded when they ended. Of those that begin together the longer one is first,
    // because the others are within it.
    std::ranges::sort(records, {}, [](const Record* record) {
      return std::pair(record->begin, -record->length);
    });
    if (track.layout == Trace::Layout::threads) return write_threads(track, records);
    write_lanes(track, records);
  }

  void write_threads(const Track& track, const Records& records) {
    for (const Record* record : records) {
      write_span(track, *record, row(track, fmt::format("{} {}", track.name, record->thread)));
    }
  }

  // Each span goes into the first row that is free again when it begins.
  void write_lanes(const Track& track, const Records& records) {
    struct Lane {
      int row;
      std::int64_t free_from;
    };
    std::vector<Lane> lanes;
    for (const Record* record : records) {
      auto lane =
          std::ranges::find_if(lanes, [&](const Lane& l) { return l.free_from <= record->begin; });
      if (lane == lanes.end()) {
        const std::string number = lanes.empty() ? "" : fmt::format(" {}", lanes.size() + 1);
        lane = lanes.insert(lane, {row(track, track.name + number), 0});
      }
      lane->free_from = record->begin + record->length;
      write_span(track, *record, lane->row);
    }
  }

  void write_span(const Track& track, const Record& record, int row) {
    const std::string& text = texts_[record.text];
    event(R"({{"ph":"X","pid":{},"tid":{},"ts":{},"dur":{},"cat":"{}","name":{},"args":{{{}}}}})",
          groups_.at(track.group), row, us(record.begin), us(record.length), track.category,
          track.of_messages ? json_string(track.label) : text,
          track.of_messages ? fmt::format(R"("source":{},"message":{},"events":{})", text,
                                          record.number, record.events)
                            : fmt::format(R"("number":{})", record.number));
  }

  void write_values(const Track& track, const Records& records) {
    for (const Record* record : records) {
      event(R"({{"ph":"C","pid":{},"ts":{},"name":{},"args":{{{}:{}}}}})", groups_.at(track.group),
            us(record->begin), json_string(track.name), json_string(track.label), record->length);
    }
  }

  // A mark over the whole height, so that a timeline that ends does not look like a run that hangs.
  void write_limit() {
    if (!recorded_.full_since) return;
    const auto process = static_cast<int>(groups_.size()) + 1;
    name("process", process, 0, "trace");
    event(
        R"({{"ph":"i","s":"g","pid":{},"tid":{},"ts":{},"name":"limit of {} records: {} left out"}})",
        process, next_row_, us(*recorded_.full_since), recorded_.limit, recorded_.left_out);
  }

  std::ostream& out_;
  const TraceRecords& recorded_;
  std::vector<std::string> texts_;
  std::map<std::string, int> groups_;
  std::map<std::pair<std::string, std::string>, int> rows_;  // by group and name
  int next_row_ = 0;
  const char* separator_ = "\n";
};

}  // namespace

void write_trace_json(std::ostream& out, const TraceRecords& recorded, std::string_view run) {
  Writer(out, recorded).write(run);
}

}  // namespace pnflow
