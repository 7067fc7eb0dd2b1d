#include "io/hdf5_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "graph/error.h"
#include "io/copy_block.h"
#include "io/scratch.h"

namespace pnflow {

Hdf5Dataset::Hdf5Dataset(std::shared_ptr<const Hdf5Image> image, h5::Dataset dataset,
                         const std::string& path, std::shared_ptr<const Hdf5Sources> sources)
    : layout_(read_layout(dataset.get(), path, image->bytes(), sources != nullptr)),
      bytes_(image->bytes()) {
  static std::atomic<std::uint64_t> counter = 1;
  serial_ = counter++;
  DatasetInfo& info = layout_.info;
  event_bytes_ = elements_of(event_shape()) * size_of(info.dtype);
  if (layout_.kind == Hdf5Layout::Kind::chunked) {
    chunk_bytes_ = elements_of(info.chunk) * size_of(info.dtype);
    chunk_is_event_ = info.chunk[0] == 1 &&
                      std::equal(info.chunk.begin() + 1, info.chunk.end(), info.shape.begin() + 1);
  } else if (layout_.kind == Hdf5Layout::Kind::by_hdf5) {
    image_ = std::move(image);
    dataset_ = std::move(dataset);
  } else if (layout_.kind == Hdf5Layout::Kind::in_sources) {
    sources_ = std::move(sources);
    describe_sources();
  }
}

std::size_t Hdf5Dataset::events() const {
  return layout_.info.shape.empty() ? 1 : layout_.info.shape[0];
}

Shape Hdf5Dataset::event_shape() const {
  const Shape& shape = layout_.info.shape;
  return shape.empty() ? Shape{} : Shape(shape.begin() + 1, shape.end());
}

std::size_t Hdf5Dataset::stored_bytes() const {
  // What is stored inside the header has no chunks and no filters.
  if (layout_.chunks.empty()) return events() * event_bytes_;
  std::size_t bytes = 0;
  for (const StoredChunk& chunk : layout_.chunks) bytes += chunk.written ? chunk.size : 0;
  return bytes;
}

void Hdf5Dataset::read_event(std::size_t event, std::span<std::byte> out) const {
  if (event >= events()) {
    throw std::out_of_range(fmt::format("event {} of {} in {}", event, events(), info().path));
  }
  if (out.size() != event_bytes_) {
    throw std::invalid_argument(
        fmt::format("{} bytes for an event of {} in {}", out.size(), event_bytes_, info().path));
  }
  if (out.empty()) return;
  try {
    switch (layout_.kind) {
      case Hdf5Layout::Kind::chunked: read_chunks(event, out); break;
      case Hdf5Layout::Kind::contiguous: read_contiguous(event, out); break;
      case Hdf5Layout::Kind::by_hdf5: read_by_hdf5(event, out); break;
      case Hdf5Layout::Kind::in_sources: read_sources(event, out); break;
    }
  } catch (const DataError& error) {
    throw DataError(error.reason(),
                    fmt::format("{}, event {}: {}", info().path, event, error.detail()));
  }
}

std::size_t Hdf5Dataset::events_at_once() const {
  switch (layout_.kind) {
    case Hdf5Layout::Kind::chunked: return info().chunk[0];
    case Hdf5Layout::Kind::contiguous:
    case Hdf5Layout::Kind::in_sources: return 1;
    case Hdf5Layout::Kind::by_hdf5: break;
  }
  return events();
}

std::span<const std::byte> Hdf5Dataset::in_place(std::size_t first, std::size_t count) const {
  const bool whole = layout_.kind == Hdf5Layout::Kind::contiguous ||
                     (layout_.kind == Hdf5Layout::Kind::chunked && chunk_is_event_);
  if (!whole || !info().filters.empty() || count == 0 || first >= events() ||
      count > events() - first) {
    return {};
  }
  std::uint64_t begin = 0;
  if (layout_.kind == Hdf5Layout::Kind::contiguous) {
    const StoredChunk& all = layout_.chunks[0];
    if (!all.written) return {};
    begin = all.offset + first * event_bytes_;
  } else {
    begin = layout_.chunks[first].offset;
    for (std::size_t i = 0; i < count; ++i) {
      const StoredChunk& chunk = layout_.chunks[first + i];
      if (!chunk.written || chunk.size != event_bytes_ ||
          chunk.offset != begin + i * event_bytes_) {
        return {};
      }
    }
  }
  if (begin > bytes_.size() || count * event_bytes_ > bytes_.size() - begin) return {};
  return bytes_.subspan(begin, count * event_bytes_);
}

void Hdf5Dataset::read_all(std::span<std::byte> out) const {
  if (out.size() != events() * event_bytes_) {
    throw std::invalid_argument(fmt::format("{} bytes for {} events of {} in {}", out.size(),
                                            events(), event_bytes_, info().path));
  }
  for (std::size_t event = 0; event < events(); ++event) {
    read_event(event, out.subspan(event * event_bytes_, event_bytes_));
  }
}

void Hdf5Dataset::fill(std::span<std::byte> out) const {
  const std::size_t element_bytes = size_of(info().dtype);
  for (std::size_t at = 0; at < out.size(); at += element_bytes) {
    std::memcpy(&out[at], layout_.fill.data(), element_bytes);
  }
}

void Hdf5Dataset::decode(const StoredChunk& chunk, std::span<std::byte> out) const {
  if (!chunk.written) {
    fill(out);
    return;
  }
  if (chunk.offset > bytes_.size() || chunk.size > bytes_.size() - chunk.offset) {
    throw DataError("truncated", fmt::format("a chunk of {} bytes at {} in a message of {}",
                                             chunk.size, chunk.offset, bytes_.size()));
  }
  decode_chunk(info().filters, chunk.filter_mask, info().dtype,
               bytes_.subspan(chunk.offset, chunk.size), out);
}

void Hdf5Dataset::read_contiguous(std::size_t event, std::span<std::byte> out) const {
  StoredChunk part = layout_.chunks[0];
  if (part.written && part.offset > bytes_.size()) {
    throw DataError("truncated",
                    fmt::format("data at {} in a message of {}", part.offset, bytes_.size()));
  }
  part.offset += part.written ? event * event_bytes_ : 0;
  part.size = event_bytes_;
  decode(part, out);
}

// A chunk that is not just one event is decoded into a buffer of the thread, which keeps the last
// one: events of a chunk are usually read one after the other.
std::span<const std::byte> Hdf5Dataset::decoded(std::size_t chunk) const {
  struct Last {
    Scratch scratch;
    std::uint64_t serial = 0;
    std::size_t chunk = 0;
    std::span<const std::byte> bytes;
  };
  thread_local Last last;
  if (last.serial != serial_ || last.chunk != chunk) {
    last.serial = 0;
    const std::span<std::byte> room = last.scratch.take(chunk_bytes_);
    decode(layout_.chunks[chunk], room);
    last.serial = serial_;
    last.chunk = chunk;
    last.bytes = room;
  }
  return last.bytes;
}

void Hdf5Dataset::read_chunks(std::size_t event, std::span<std::byte> out) const {
  const Shape& shape = info().shape;
  const Shape& chunk = info().chunk;
  const std::size_t rank = shape.size();
  const std::size_t per_event = product(std::span(layout_.grid).subspan(1));
  const std::size_t first = event / chunk[0] * per_event;
  if (chunk_is_event_) {
    decode(layout_.chunks[first], out);
    return;
  }
  const std::size_t element_bytes = size_of(info().dtype);
  const std::size_t skipped = event % chunk[0] * (chunk_bytes_ / chunk[0]);
  Shape start(rank, 0);  // of the chunk, in elements; the first axis is not used
  Shape extent(rank, 0);
  for (std::size_t i = 0; i < per_event; ++i) {
    std::size_t rest = i;
    std::size_t to = 0;
    std::size_t step = 1;
    for (std::size_t axis = rank; axis-- > 1;) {
      start[axis] = rest % layout_.grid[axis] * chunk[axis];
      rest /= layout_.grid[axis];
      extent[axis] = std::min(chunk[axis], shape[axis] - start[axis]);
      to += start[axis] * step;
      step *= shape[axis];
    }
    const std::span<const std::byte> from = decoded(first + i);
    copy_block(std::span(extent).subspan(1), std::span(chunk).subspan(1),
               std::span(shape).subspan(1), element_bytes, from.data() + skipped,
               out.data() + to * element_bytes);
  }
}

void Hdf5Dataset::read_by_hdf5(std::size_t event, std::span<std::byte> out) const {
  const h5::SilentErrors silent;
  const h5::Dataspace file_space(H5Dget_space(dataset_.get()));
  const Shape& shape = info().shape;
  std::vector<hsize_t> count(shape.begin(), shape.end());
  bool selected = true;
  if (!shape.empty()) {
    std::vector<hsize_t> start(shape.size(), 0);
    start[0] = event;
    count[0] = 1;
    selected = H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, start.data(), nullptr,
                                   count.data(), nullptr) >= 0;
  }
  const h5::Dataspace memory_space(
      H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr));
  if (!selected || H5Dread(dataset_.get(), h5_type_of(info().dtype), memory_space.get(),
                           file_space.get(), H5P_DEFAULT, out.data()) < 0) {
    throw DataError("damaged chunk", "HDF5 cannot read it");
  }
}

}  // namespace pnflow
