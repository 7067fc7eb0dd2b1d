#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "nodes/cxi_writer.h"
#include "test/support/read_h5.h"
#include "test/support/scratch_directory.h"

// What the tests of the CXI writer share: events that can be told apart, and a writer in a run.
namespace pnflow::test {

template <class T>
Array filled(Shape shape, std::vector<T> values) {
  return array_of(*heap_pool(), values).reshaped(std::move(shape));
}

// Events whose pixels say which they are: event e has value e * 100 + position % 50.
template <class T = std::uint16_t>
Batch images(std::size_t first, Shape shape) {
  std::vector<T> pixels(elements_of(shape));
  const std::size_t per_event = pixels.size() / shape[0];
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<T>((first + i / per_event) * 100 + i % per_event % 50);
  }
  const std::size_t events = shape[0];
  return Batch(events).set("image", filled(std::move(shape), std::move(pixels)));
}

// Files are closed on a thread of the writer's own.
inline bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 2000 && !holds(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return holds();
}

// A writer in a run of its own; keeps the fates of the messages that were answered.
class WriterRun {
 public:
  explicit WriterRun(CxiWriter::Params params, OnError policy = OnError::skip)
      : writer_(std::move(params)) {
    FakeOpen open(services);
    open.policy = policy;
    writer_.open(open);
  }

  // Returns what write() threw, or nothing.
  std::string send(int message, const Batch& batch, const std::vector<std::size_t>& dead = {}) {
    auto states = std::make_shared<EventStates>(batch.events());
    for (const std::size_t event : dead) (*states)[event] = {Fate::vetoed, "no peaks"};
    Context context(services, "test", static_cast<std::uint64_t>(message), states);
    auto prepared = writer_.prepare(batch, context);
    Delivery delivery(*context.states(), [this, message](EventStates fates) {
      const std::lock_guard lock(mutex_);
      CHECK(fates_.emplace(message, std::move(fates)).second);
    });
    try {
      writer_.write(std::move(prepared), std::move(delivery));
    } catch (const DataError& error) {
      CHECK(error.reason() == "write");
      return error.what();
    }
    return {};
  }
  void close() { writer_.close(); }
  CxiWriter& writer() { return writer_; }

  bool answered(int message) const {
    const std::lock_guard lock(mutex_);
    return fates_.contains(message);
  }
  // One letter per event: d(elivered), v(etoed), f(ailed) with "write", ? anything else. Waits for
  // the message's answer.
  std::string fates(int message) const {
    REQUIRE(eventually([&] { return answered(message); }));
    const std::lock_guard lock(mutex_);
    std::string letters;
    for (const EventState& state : fates_.at(message)) {
      switch (state.fate) {
        case Fate::delivered: letters += 'd'; break;
        case Fate::vetoed: letters += 'v'; break;
        case Fate::failed: letters += state.reason == "write" ? 'f' : '?'; break;
        default: letters += '?';
      }
    }
    return letters;
  }

  FakeServices services;

 private:
  mutable std::mutex mutex_;
  std::map<int, EventStates> fates_;
  CxiWriter writer_;
};

inline CxiWriter::Params into(const ScratchDirectory& directory, int events_per_file) {
  CxiWriter::Params params;
  params.directory = directory.path();
  params.events_per_file = events_per_file;
  return params;
}

using Names = std::vector<std::string>;

}  // namespace pnflow::test
