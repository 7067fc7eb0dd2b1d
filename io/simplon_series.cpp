#include "io/simplon_series.h"

#include <algorithm>

#include "graph/error.h"
#include "io/simplon_message.h"

namespace pnflow {
namespace {

// Images of a series that has stopped still come while the next one has begun.
constexpr std::size_t kept_starts = 8;

std::optional<SimplonMessage> simplon_message(const Array& wire) {
  if (!SimplonMessage::recognises(wire.raw())) return {};
  try {
    return SimplonMessage(wire.raw());
  } catch (const DataError&) {
    return {};  // the decoder says what is wrong with it
  }
}

void add_start(Batch& image, const Array& start) { image.set_message_field("series_start", start); }

}  // namespace

SimplonSeries::Verdict SimplonSeries::take(Batch& message) {
  const Array& wire = message.array("wire");
  const auto simplon = simplon_message(wire);
  if (!simplon) return Verdict::hand_on;
  const Run run = simplon->run();
  switch (simplon->kind()) {
    case SimplonMessage::Kind::start: start(run, wire); return Verdict::control;
    case SimplonMessage::Kind::stop: stop(run); return Verdict::control;
    case SimplonMessage::Kind::image: break;
  }
  if (const Array* start = start_of(run)) {
    add_start(message, *start);
    return Verdict::hand_on;
  }
  if (park_ == 0) return Verdict::hand_on;
  parked_.push_back({run, std::move(message)});
  if (parked_.size() > park_) {
    free_.push_back(std::move(parked_.front().message));
    parked_.pop_front();
  }
  return Verdict::parked;
}

void SimplonSeries::start(const Run& run, const Array& message) {
  stopped_ = false;
  std::erase_if(starts_, [&](const auto& known) { return known.first == run; });
  starts_.emplace_front(run, message);
  if (starts_.size() > kept_starts) starts_.pop_back();
  std::deque<Parked> others;
  for (Parked& image : parked_) {
    if (image.run != run && !image.run.empty()) {
      others.push_back(std::move(image));
      continue;
    }
    add_start(image.message, message);
    free_.push_back(std::move(image.message));
  }
  parked_ = std::move(others);
}

// A late stop of the series before does not end the one that has begun since.
void SimplonSeries::stop(const Run& run) {
  if (starts_.empty() || run.empty() || starts_.front().first == run) stopped_ = true;
}

// An image that does not say its run belongs to the series that began last.
const Array* SimplonSeries::start_of(const Run& run) const {
  const auto found = std::ranges::find_if(
      starts_, [&](const auto& known) { return run.empty() || known.first == run; });
  return found == starts_.end() ? nullptr : &found->second;
}

std::optional<Batch> SimplonSeries::next_free() {
  if (free_.empty()) return {};
  Batch message = std::move(free_.front());
  free_.pop_front();
  return message;
}

void SimplonSeries::release() {
  for (Parked& image : parked_) free_.push_back(std::move(image.message));
  parked_.clear();
}

}  // namespace pnflow
