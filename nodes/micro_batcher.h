#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "gpu/engine.h"
#include "graph/node.h"
#include "graph/units.h"
#include "nodes/infer_message.h"

namespace pnflow {

// A micro-batch and whose images it holds.
struct Launch {
  struct Part {
    std::shared_ptr<InferMessage> message;
    std::size_t image;
  };
  MicroBatch batch;
  std::vector<Part> parts;  // one for each image, in the same order
};

// Forms micro-batches from the images of messages as they come: across messages, in their order,
// never of different shape, dtype or normalisation. A micro-batch is given out when it is full,
// when its oldest image has waited `max_wait`, or at once when waiting would bring no more: the
// limiter in front has no credit left and all messages that it admitted have come, or the run
// drains. Thread-safe.
class MicroBatcher {
 public:
  struct Settings {
    std::size_t batch_size = 1;  // images
    Duration max_wait{0};
    std::shared_ptr<const Region> region;  // the limiter in front; nullptr: none
    std::function<bool()> aborting = [] { return false; };
  };
  explicit MicroBatcher(Settings settings) : settings_(std::move(settings)) {}

  // A message has come that has images to run.
  void add(std::shared_ptr<InferMessage> message);
  // A message has come that was answered at once.
  void pass();
  // A message that was added is about to be answered.
  void leave();
  // Nothing more comes than what is on its way: do not wait for full micro-batches.
  void drain();
  // Nothing more comes.
  void close();

  // The next micro-batch; waits for it. Nothing when closed and empty. While the run is being
  // aborted it gives out at once what there is.
  std::optional<Launch> take();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    std::shared_ptr<InferMessage> message;
    std::size_t next = 0;  // first image that is not given out yet
    Clock::time_point since;
  };
  struct Group {
    std::deque<Waiting> messages;
    std::size_t images = 0;
  };
  using Groups = std::map<MicroBatchKey, Group>;

  bool no_more_can_come();
  Groups::iterator ready(Clock::time_point now);
  Clock::time_point next_look(Clock::time_point now) const;
  Launch take_from(Groups::iterator group);

  Settings settings_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Groups groups_;
  std::uint64_t submitted_ = 0;  // messages that have come
  std::uint64_t passed_by_ = 0;  // messages that the limiter admitted and that never come here
  std::int64_t here_ = 0;        // messages that have come and are not answered
  bool draining_ = false;
  bool closed_ = false;
};

}  // namespace pnflow
