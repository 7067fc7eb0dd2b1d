#pragma once

#include <chrono>
#include <mutex>

#include "gpu/pipeline_figures.h"

namespace pnflow {

// Adds up what a pipeline does. Thread-safe.
class FiguresKeeper {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Span {
    Time begin, end;
  };
  struct Done {  // one micro-batch
    Span up, compute, down;
    std::size_t images;
    bool full;
    std::size_t staged_images;
    std::size_t bytes_up, bytes_down;
    std::uint64_t allocations, graph_launches;  // in all, so far
  };
  // In the order in which they were launched.
  void add(const Done& done);
  // Begins anew: what was warm-up does not count.
  void restart();
  // Without the device's name and the bytes that are held.
  PipelineFigures figures() const;

 private:
  // How much of what several spans cover, which may overlap with the one before.
  struct Cover {
    std::chrono::nanoseconds total{};
    Time until{};
    void add(const Span& span);
  };
  mutable std::mutex mutex_;
  PipelineFigures figures_;
  std::uint64_t graph_launches_before_ = 0;
  Cover up_, compute_, down_;
  Time first_{}, last_{};
  // At the begin of the first full micro-batch and the end of the last one: the time, and how much
  // had been computed until then.
  Time steady_begin_{}, steady_end_{};
  std::chrono::nanoseconds computed_before_{}, computed_by_end_{};
};

}  // namespace pnflow
