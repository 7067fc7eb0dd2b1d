// The part of Hdf5Dataset that reads virtual datasets.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "io/copy_block.h"
#include "io/hdf5_dataset.h"
#include "io/hdf5_sources.h"

namespace pnflow {
namespace {

// Numbers of any type as float32 or float64, as HDF5 converts them.
void convert(DType from, std::span<const std::byte> in, DType to, std::span<std::byte> out) {
  dispatch(from, [&](auto source) {
    const auto copy = [&](auto target) {
      for (std::size_t i = 0; i < in.size() / sizeof source; ++i) {
        std::memcpy(&source, &in[i * sizeof source], sizeof source);
        target = static_cast<decltype(target)>(source);
        std::memcpy(&out[i * sizeof target], &target, sizeof target);
      }
    };
    if (to == DType::f32) {
      copy(float{});
    } else {
      copy(double{});
    }
  });
}

}  // namespace

void Hdf5Dataset::describe_sources() {
  for (const VirtualSource& source : layout_.sources) {
    try {
      const auto dataset = sources_->find(source);
      layout_.info.chunk = dataset->info().chunk;
      layout_.info.filters = dataset->info().filters;
      return;
    } catch (const DataError&) {
      continue;  // is said when it is read
    }
  }
}

void Hdf5Dataset::read_sources(std::size_t event, std::span<std::byte> out) const {
  const auto behind = std::ranges::upper_bound(layout_.sources, event, {}, &VirtualSource::first);
  if (behind == layout_.sources.begin() ||
      event - std::prev(behind)->first >= std::prev(behind)->shape[0]) {
    fill(out);
    return;
  }
  const VirtualSource& source = *std::prev(behind);
  const auto dataset = sources_->find(source);
  const DType dtype = dataset->info().dtype;
  if (dtype != info().dtype && is_integer(info().dtype)) {
    throw DataError("wrong dtype", fmt::format("{} in {} for {}", name_of(dtype), source.file,
                                               name_of(info().dtype)));
  }
  const Shape shape = dataset->event_shape();
  const bool narrower = shape != event_shape();
  if (!narrower && dtype == info().dtype) {
    dataset->read_event(event - source.first, out);
    return;
  }
  std::vector<std::byte> stored(dataset->event_bytes());
  dataset->read_event(event - source.first, stored);
  if (dtype != info().dtype) {
    std::vector<std::byte> converted(elements_of(shape) * size_of(info().dtype));
    convert(dtype, stored, info().dtype, converted);
    stored = std::move(converted);
  }
  if (narrower) fill(out);
  copy_block(shape, shape, event_shape(), size_of(info().dtype), stored.data(), out.data());
}

}  // namespace pnflow
