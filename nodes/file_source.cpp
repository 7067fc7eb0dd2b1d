#include "nodes/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "graph/error.h"
#include "io/find_files.h"
#include "io/simplon_message.h"
#include "io/timestamps.h"

namespace pnflow {
namespace {

// a + b, or the largest number where that is too small.
std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b
             ? std::numeric_limits<std::uint64_t>::max()
             : a + b;
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
  s.param("shape", &Params::shape)
      .at_least(1)
      .unit("pixels")
      .help(
          "[C, H, W] of one event, where a producer has merged the panels into the first axis; as "
          "decode has it");
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
    : MessageSource(params.park), params_(std::move(params)), pacer_(params_.rate) {}

void FileSource::open(OpenContext& context) {
  names_ = find_files(params_.files);
  context.services().log(LogLevel::info, fmt::format("{} file(s), from {} to {}", names_.size(),
                                                     names_.front(), names_.back()));
}

std::optional<Batch> FileSource::receive(SourceContext& context) {
  while (!context.stopping()) {
    if (auto parked = series().next_free()) return parked;
    if (!opened_ || opened_->next == opened_->end) {
      if (!next_raw(context)) return {};
      continue;
    }
    const std::size_t events = std::min(opened_->step, opened_->end - opened_->next);
    const auto time = params_.pace == Pace::recorded ? opened_->time() : std::nullopt;
    if (time && !pacer_.wait_for_time(*time, context)) return {};
    if (!pacer_.wait_for_turn(events, context)) return {};
    Batch batch = take_part(events);
    const auto verdict = series().take(batch);
    if (verdict == SimplonSeries::Verdict::control) {
      context.control_message();
      continue;
    }
    sent_in_pass_ = true;
    if (verdict == SimplonSeries::Verdict::hand_on) return batch;
  }
  return {};
}

std::uint64_t FileSource::limit() const {
  return params_.count > 0 ? saturated_sum(params_.first, params_.count)
                           : std::numeric_limits<std::uint64_t>::max();
}

// Opens the next message of this file, or of the next one.
bool FileSource::next_raw(SourceContext& context) {
  opened_.reset();
  while (!context.stopping()) {
    // A start message may still come for images that wait for it.
    const bool had_enough = position_ >= limit() && series().parked() == 0;
    if (!messages_ || had_enough) {
      if (!next_file(had_enough, context)) return false;
      continue;
    }
    try {
      auto stored = messages_->next();
      if (!stored) {
        messages_.reset();
        continue;
      }
      if (stored->bytes.bytes() == 0) {
        context.unreadable("empty file", stored->name);
        continue;
      }
      look_into(std::move(*stored), context);
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
    // A pass in which nothing was sent would be followed by others like it.
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
void FileSource::look_into(MessageFile::Stored stored, SourceContext& context) {
  Opened opened{
      .name = std::move(stored.name), .bytes = std::move(stored.bytes), .arrival = stored.arrival};
  opened.step =
      messages_->is_record() ? std::numeric_limits<std::size_t>::max() : params_.events_per_message;
  std::size_t events = 0;
  try {
    events = count_events(opened);
  } catch (const DataError& error) {
    if (!std::exchange(uncounted_logged_, true)) {
      context.log(LogLevel::warn,
                  fmt::format("{} goes as one message, because its events cannot be counted: {} "
                              "(said once)",
                              opened.name, error.what()));
    }
  }
  if (events == 0) {
    opened.events = opened.end = 1;
    opened_ = std::move(opened);
    return;
  }
  const std::uint64_t begin = std::clamp(params_.first, position_, position_ + events);
  const std::uint64_t end = std::clamp(limit(), begin, position_ + events);
  opened.events = events;
  opened.next = static_cast<std::size_t>(begin - position_);
  opened.end = static_cast<std::size_t>(end - position_);
  position_ += events;
  opened_ = std::move(opened);
}

// 0: none, or a recorded message of which it does not matter.
std::size_t FileSource::count_events(Opened& opened) const {
  if (SimplonMessage::recognises(opened.bytes.raw())) {
    return SimplonMessage(opened.bytes.raw()).kind() == SimplonMessage::Kind::image ? 1 : 0;
  }
  const bool ranged = params_.first > 0 || params_.count > 0;
  if (messages_->is_record() && !ranged && params_.rate.hertz <= 0) return 0;
  opened.reader = open_message(opened.bytes.raw(),
                               {.max_array_bytes = std::numeric_limits<std::size_t>::max()});
  const FieldNames& usual = opened.reader->usual_names();
  const auto image = opened.reader->find(params_.image.empty() ? usual.image : params_.image);
  if (!image) throw DataError("missing image", "none of the arrays that 'image' names");
  const Shape& shape = image->shape();
  std::size_t events = shape.size() < 3 ? 0 : shape.front();
  auto original = opened.reader->find(usual.original_shape);
  if (original && original->shape().size() == 1 && original->shape()[0] >= 3) {
    const std::size_t numbers = original->shape()[0];
    const auto said = ScalarField(std::move(original), numbers).integer(0);
    events = static_cast<std::size_t>(std::max<std::int64_t>(0, said.value_or(0)));
  } else if (shape.size() == 4 && shape[1] == 1 && params_.shape.size() == 3) {
    events /= params_.shape.front();
  }
  if (params_.pace == Pace::recorded) {
    if (auto times = opened.reader->find(usual.timestamp)) {
      opened.times = std::make_unique<ScalarField>(std::move(times), events);
    }
  }
  return events;
}

std::optional<std::int64_t> FileSource::Opened::time() const {
  if (arrival) return arrival;
  if (!times) return {};
  try {
    const std::uint64_t packed = times->timestamp(next);
    return packed == 0 ? std::nullopt : std::optional(unix_nanoseconds(packed));
  } catch (const DataError&) {
    return {};
  }
}

Batch FileSource::take_part(std::size_t events) {
  Batch batch;
  batch.set_message_field("wire", opened_->bytes);
  batch.set_attribute("file", opened_->name);
  if (opened_->arrival) batch.set_attribute("arrival", *opened_->arrival);
  if (events < opened_->events) {
    batch.set_attribute("first_event", static_cast<std::int64_t>(opened_->next));
    batch.set_attribute("event_count", static_cast<std::int64_t>(events));
    batch.set_attribute("wire_share",
                        static_cast<double>(events) / static_cast<double>(opened_->events));
  }
  opened_->next += events;
  return batch;
}

}  // namespace pnflow
