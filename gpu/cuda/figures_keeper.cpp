#include "gpu/cuda/figures_keeper.h"

#include <algorithm>

namespace pnflow {

void FiguresKeeper::Cover::add(const Span& span) {
  const Time begin = std::max(span.begin, until);
  if (span.end <= begin) return;
  total += span.end - begin;
  until = span.end;
}

void FiguresKeeper::add(const Done& done) {
  const std::lock_guard lock(mutex_);
  if (figures_.micro_batches == 0) first_ = done.up.begin;
  last_ = std::max(last_, done.down.end);
  ++figures_.micro_batches;
  if (done.allocations != figures_.allocations) {
    figures_.allocations = done.allocations;
    figures_.last_allocation = figures_.micro_batches;
  }
  figures_.graph_launches = done.graph_launches - graph_launches_before_;
  figures_.images += done.images;
  figures_.staged_images += done.staged_images;
  figures_.bytes_up += done.bytes_up;
  figures_.bytes_down += done.bytes_down;
  if (done.full && figures_.full_micro_batches++ == 0) {
    steady_begin_ = done.compute.begin;
    computed_before_ = compute_.total;
  }
  up_.add(done.up);
  compute_.add(done.compute);
  down_.add(done.down);
  if (done.full) {
    steady_end_ = done.compute.end;
    computed_by_end_ = compute_.total;
  }
}

void FiguresKeeper::restart() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t allocations = figures_.allocations;
  graph_launches_before_ += figures_.graph_launches;
  figures_ = {};
  figures_.allocations = allocations;
  up_.total = compute_.total = down_.total = {};
}

PipelineFigures FiguresKeeper::figures() const {
  const std::lock_guard lock(mutex_);
  PipelineFigures figures = figures_;
  figures.up = up_.total;
  figures.compute = compute_.total;
  figures.down = down_.total;
  if (figures.micro_batches > 0) figures.wall = last_ - first_;
  if (figures.full_micro_batches > 0) {
    figures.steady = steady_end_ - steady_begin_;
    figures.idle = figures.steady - (computed_by_end_ - computed_before_);
  }
  return figures;
}

}  // namespace pnflow
