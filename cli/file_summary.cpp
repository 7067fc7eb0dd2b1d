#include "cli/file_summary.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pnflow {

void NumberSummary::add(double value) {
  if (!std::isfinite(value) || value <= 0) {
    ++missing;
    return;
  }
  ++known;
  min = std::min(min, value);
  max = std::max(max, value);
}

void TimeSummary::add(std::uint64_t value) {
  if (value == 0) {
    ++missing;
    return;
  }
  first = known == 0 ? value : std::min(first, value);
  last = std::max(last, value);
  ++known;
}

void FileSummary::add(ArraySummary&& array) {
  const auto rest = [](const Shape& shape) {
    return shape.empty() ? shape : Shape(shape.begin() + 1, shape.end());
  };
  for (ArraySummary& other : arrays) {
    if (other.name != array.name || other.dtype != array.dtype || other.storage != array.storage ||
        other.unread != array.unread || other.shape.size() != array.shape.size() ||
        rest(other.shape) != rest(array.shape)) {
      continue;
    }
    ++other.messages;
    if (!array.shape.empty()) other.shape[0] += array.shape[0];
    other.raw_bytes += array.raw_bytes;
    if (other.stored_bytes && array.stored_bytes) *other.stored_bytes += *array.stored_bytes;
    return;
  }
  arrays.push_back(std::move(array));
}

void FileSummary::add(ImageSummary&& image) {
  for (ImageSummary& other : images) {
    if (other.name != image.name || other.shape != image.shape || other.dtype != image.dtype ||
        other.unpadded != image.unpadded) {
      continue;
    }
    other.events += image.events;
    return;
  }
  images.push_back(std::move(image));
}

SummaryOfAll sum_of(const std::vector<FileSummary>& files) {
  SummaryOfAll sum{.files = files.size()};
  for (const FileSummary& file : files) {
    sum.events += file.events;
    sum.bytes += file.bytes;
    if (file.is_damaged()) ++sum.damaged;
    if (file.is_faulty()) ++sum.faulty;
    if (!file.error.empty()) ++sum.not_read;
  }
  return sum;
}

}  // namespace pnflow
