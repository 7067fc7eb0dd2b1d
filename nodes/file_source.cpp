#include "nodes/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "graph/error.h"
#include "io/find_files.h"
#include "io/simplon_message.h"

namespace pnflow {
namespace {

std::int64_t unix_nanoseconds(std::uint64_t packed) {
  constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;
  return static_cast<std::int64_t>(packed >> 32U) * nanoseconds_per_second +
         static_cast<std::int64_t>(packed & 0xffffffffU);
}

}  // namespace

void FileSource::describe(Spec<Params>& s) {
  s.summary("Messages from files: HDF5, CXI, npz, single messages, and records of messages.");
  s.adds("wire").dtypes({DType::u8}).rank(1).help("the message's, or the file's, bytes");
  s.adds("series_start")
      .dtypes({DType::u8})
      .rank(1)
      .optional()
      .help("bytes of the start message of the Simplon series that an image belongs to");
  s.param("files", &Params::files)
      .required()
      .help("names and patterns (run7/*.h5); each pattern's files in the order of their names");
  s.param("events_per_message", &Params::events_per_message)
      .range(1, 65536)
      .unit("events")
      .help("of a file; recorded messages stay as they are");
  s.param("first", &Params::first).unit("events").help("to pass over at the beginning");
  s.param("count", &Params::count).unit("events").help("to send of each pass at most; 0: all");
  s.param("loop", &Params::loop).unit("passes").help("through all files; 0: without end");
  s.param("pace", &Params::pace)
      .choice("full", Pace::full)
      .choice("recorded", Pace::recorded)
      .help(
          "as fast as the graph takes them; or as they came, by the arrival times of a record, "
          "elsewhere by the events' time stamps");
  s.param("rate", &Params::rate).help("events per second at most; 0: no limit");
  s.param("image", &Params::image)
      .help("array whose events are counted; without it, the one that the format uses");
  s.param("park", &Params::park)
      .range(0, 1'000'000)
      .unit("messages")
      .help("images of a Simplon series that may wait for its start message");
  s.check("files", [](const Params& p) -> std::optional<std::string> {
    if (!p.files.empty()) return {};
    return "'files' must name a file";
  });
  s.check("rate", [](const Params& p) -> std::optional<std::string> {
    if (p.rate.hertz <= 0 || p.pace == Pace::full) return {};
    return "'rate' and the recorded 'pace' cannot both be kept";
  });
}

FileSource::FileSource(Params params)
    : params_(std::move(params)), pacer_(params_.rate), series_(params_.park) {}

void FileSource::open(OpenContext& context) {
  names_ = find_files(params_.files);
  context.services().log(LogLevel::info, fmt::format("{} file(s), from {} to {}", names_.size(),
                                                     names_.front(), names_.back()));
}

std::optional<Batch> FileSource::next(SourceContext& context) {
  if (context.aborting()) return {};
  if (!ended_) {
    if (auto batch = next_message(context)) return batch;
    if (context.aborting()) return {};
    ended_ = true;
    series_.release();
  }
  return series_.next_free();
}

void FileSource::abandon(SourceContext& context) {
  series_.release();
  while (series_.next_free()) context.unreadable("aborted", "parked for its start message");
}

std::optional<Batch> FileSource::next_message(SourceContext& context) {
  while (!context.stopping()) {
    if (auto parked = series_.next_free()) return parked;
    if (!opened_ || opened_->next == opened_->end) {
      if (!next_raw(context)) return {};
      continue;
    }
    const std::size_t events = std::min(opened_->step, opened_->end - opened_->next);
    const auto time = params_.pace == Pace::recorded ? opened_->time() : std::nullopt;
    if (time && !pacer_.wait_for_time(*time, context)) return {};
    if (!pacer_.wait_for_turn(events, context)) return {};
    Batch batch = take_part(events);
    switch (series_.take(batch)) {
      case SimplonSeries::Verdict::hand_on: return batch;
      case SimplonSeries::Verdict::control: context.control_message(); break;
      case SimplonSeries::Verdict::parked: break;
    }
  }
  return {};
}

// Opens the next message of this file, or of the next one.
bool FileSource::next_raw(SourceContext& context) {
  opened_.reset();
  while (!context.stopping()) {
    const bool had_enough = params_.count > 0 && position_ >= params_.first + params_.count;
    if (!messages_ || had_enough) {
      if (!next_file(had_enough, context)) return false;
      continue;
    }
    try {
      auto raw = messages_->next();
      if (!raw) {
        messages_.reset();
        continue;
      }
      if (raw->bytes.bytes() == 0) {  // an end marker, or an empty file
        context.control_message();
        continue;
      }
      look_into(std::move(*raw));
      sent_in_pass_ = true;
      return true;
    } catch (const DataError& error) {
      context.unreadable(error.reason(), error.detail());
      messages_.reset();
    }
  }
  return false;
}

bool FileSource::next_file(bool had_enough, SourceContext& context) {
  messages_.reset();
  if (had_enough || file_ == names_.size()) {
    ++pass_;
    if (pass_ == params_.loop || !std::exchange(sent_in_pass_, false)) return false;
    file_ = 0;
    position_ = 0;
    pacer_.restart();
  }
  const std::string& name = names_[file_++];
  try {
    messages_.emplace(name);
    if (pass_ == 0) context.log(LogLevel::debug, fmt::format("reading {}", name));
  } catch (const RunError& error) {
    context.unreadable("unreadable file", error.what());
  }
  return true;
}

// Finds out how many events there are, where that matters, and which of them are meant. What cannot
// be opened is handed on whole: the decoder says what is wrong with it.
void FileSource::look_into(MessageFile::Stored raw) {
  Opened opened{.bytes = std::move(raw.bytes), .arrival = raw.arrival};
  opened.step =
      messages_->is_record() ? std::numeric_limits<std::size_t>::max() : params_.events_per_message;
  const std::size_t events = count_events(opened);
  const std::uint64_t limit =
      params_.count > 0 ? params_.first + params_.count : std::numeric_limits<std::uint64_t>::max();
  if (events == 0) {
    opened.events = opened.end = 1;
    opened_ = std::move(opened);
    return;
  }
  const std::uint64_t begin = std::clamp(params_.first, position_, position_ + events);
  const std::uint64_t end = std::clamp(limit, begin, position_ + events);
  opened.events = events;
  opened.next = static_cast<std::size_t>(begin - position_);
  opened.end = static_cast<std::size_t>(end - position_);
  position_ += events;
  opened_ = std::move(opened);
}

// 0: not known, or none.
std::size_t FileSource::count_events(Opened& opened) const {
  try {
    if (SimplonMessage::recognises(opened.bytes.raw())) {
      return SimplonMessage(opened.bytes.raw()).kind() == SimplonMessage::Kind::image ? 1 : 0;
    }
    if (messages_->is_record() && params_.first == 0 && params_.count == 0) return 0;
    EventMessage::Request request;
    request.fields.image = params_.image;
    request.max_array_bytes = std::numeric_limits<std::size_t>::max();
    opened.contents = std::make_shared<const EventMessage>(opened.bytes, Array{}, request);
    return opened.contents->events();
  } catch (const DataError&) {
    return 0;
  }
}

std::optional<std::int64_t> FileSource::Opened::time() const {
  if (arrival) return arrival;
  if (!contents || contents->timestamp() == nullptr) return {};
  try {
    const std::uint64_t packed = contents->timestamp()->timestamp(next);
    return packed == 0 ? std::nullopt : std::optional(unix_nanoseconds(packed));
  } catch (const DataError&) {
    return {};
  }
}

Batch FileSource::take_part(std::size_t events) {
  Batch batch;
  batch.set_message_field("wire", opened_->bytes);
  if (opened_->arrival) batch.set_attribute("arrival", *opened_->arrival);
  if (events < opened_->events) {
    batch.set_attribute("first_event", static_cast<std::int64_t>(opened_->next));
    batch.set_attribute("event_count", static_cast<std::int64_t>(events));
    batch.set_attribute("file", messages_->path().string());
  }
  opened_->next += events;
  return batch;
}

}  // namespace pnflow
