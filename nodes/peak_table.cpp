#include "nodes/peak_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace pnflow {
namespace {

// A total is not a number only where pixel values overflow double precision; any order will do.
double strength(const Peak& peak) {
  return std::isnan(peak.total) ? -std::numeric_limits<double>::infinity() : peak.total;
}

bool stronger(const Peak& a, const Peak& b) {
  const double left = strength(a);
  const double right = strength(b);
  return left != right ? left > right : a.order < b.order;
}

}  // namespace

void StrongestPeaks::add(const Peak& peak) {
  // The strongest of all are among the strongest of any part, so the rest may go now and then.
  if (peaks_.size() / 2 >= limit_) cut();
  peaks_.push_back(peak);
  peaks_.back().order = added_++;
}

void StrongestPeaks::cut() {
  if (peaks_.size() <= limit_) return;
  const auto end = peaks_.begin() + static_cast<std::ptrdiff_t>(limit_);
  std::nth_element(peaks_.begin(), end, peaks_.end(), stronger);
  peaks_.erase(end, peaks_.end());
}

std::vector<Peak> StrongestPeaks::take() {
  cut();
  std::ranges::sort(peaks_, {}, &Peak::order);
  added_ = 0;
  return std::exchange(peaks_, {});
}

void PeakTable::add_event(const std::vector<Peak>& peaks) {
  peaks_.insert(peaks_.end(), peaks.begin(), peaks.end());
  offsets_.push_back(peaks_.size());
}

RaggedTable PeakTable::build(MemoryPool& pool) const {
  RaggedTable table;
  table.offsets = offsets_;
  const auto column = [&]<class T>(const char* name, T, auto member) {
    MutableArray values(pool, dtype_of<T>, {peaks_.size()});
    std::ranges::transform(peaks_, values.as<T>().begin(),
                           [&](const Peak& peak) { return static_cast<T>(peak.*member); });
    table.columns.emplace(name, std::move(values).freeze());
  };
  column("panel", std::int32_t{}, &Peak::panel);
  column("y", double{}, &Peak::y);
  column("x", double{}, &Peak::x);
  column("npix", std::int32_t{}, &Peak::npix);
  column("total", float{}, &Peak::total);
  column("maximum", float{}, &Peak::maximum);
  column("background", float{}, &Peak::background);
  column("sigma", float{}, &Peak::sigma);
  column("snr", float{}, &Peak::snr);

  MutableArray boxes(pool, DType::i32, {peaks_.size(), 4});
  auto out = boxes.as<std::int32_t>().begin();
  for (const Peak& peak : peaks_) {
    for (const std::int32_t edge : {peak.box.y0, peak.box.x0, peak.box.y1, peak.box.x1}) {
      *out++ = edge;
    }
  }
  table.columns.emplace("bbox", std::move(boxes).freeze());
  return table;
}

}  // namespace pnflow
