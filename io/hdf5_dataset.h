#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "io/hdf5_image.h"
#include "io/hdf5_layout.h"

namespace pnflow {

class Hdf5Sources;

// One dataset of an HDF5 file in memory; its first axis counts events. A dataset without axes is
// one event. Cheap to move. The file's bytes must outlive it.
class Hdf5Dataset {
 public:
  // `dataset` stays with this object. Throws what read_layout() throws. Without `sources` no
  // virtual dataset can be read.
  Hdf5Dataset(std::shared_ptr<const Hdf5Image> image, h5::Dataset dataset, const std::string& path,
              std::shared_ptr<const Hdf5Sources> sources = nullptr);

  const DatasetInfo& info() const { return layout_.info; }
  std::size_t events() const;
  Shape event_shape() const;
  std::size_t event_bytes() const { return event_bytes_; }
  // Bytes that the dataset takes in the file, compressed as it is, without HDF5's own.
  std::size_t stored_bytes() const;

  // Pixels of one event in C order and native byte order into `out`, event_bytes() long and aligned
  // to the element. Thread-safe, and without HDF5's lock unless the data are stored in a way that
  // only HDF5 knows. A chunk that cannot be read costs only the events that it holds.
  // Throws DataError("damaged chunk" or "truncated"; of a virtual dataset also "missing part", and
  // "wrong dtype" where a source's numbers may not fit), std::out_of_range, std::invalid_argument.
  void read_event(std::size_t event, std::span<std::byte> out) const;

  // Events that reading one of them decompresses together, or that wait for HDF5's lock.
  std::size_t events_at_once() const;

  // `count` events from `first` on where they lie in the file, when they are neither compressed nor
  // cut into pieces and follow each other; else empty.
  std::span<const std::byte> in_place(std::size_t first, std::size_t count) const;

  // All events, one after the other; `out` is events() * event_bytes() long. Errors as above.
  void read_all(std::span<std::byte> out) const;

 private:
  void read_by_hdf5(std::size_t event, std::span<std::byte> out) const;
  void describe_sources();
  void read_sources(std::size_t event, std::span<std::byte> out) const;
  void read_contiguous(std::size_t event, std::span<std::byte> out) const;
  void read_chunks(std::size_t event, std::span<std::byte> out) const;
  void decode(const StoredChunk& chunk, std::span<std::byte> out) const;
  std::span<const std::byte> decoded(std::size_t chunk) const;
  void fill(std::span<std::byte> out) const;

  Hdf5Layout layout_;
  std::shared_ptr<const Hdf5Image> image_;
  h5::Dataset dataset_;  // open only where reading needs HDF5
  std::shared_ptr<const Hdf5Sources> sources_;
  std::span<const std::byte> bytes_;
  std::size_t event_bytes_ = 0;
  std::size_t chunk_bytes_ = 0;
  bool chunk_is_event_ = false;
  std::uint64_t serial_ = 0;  // tells the datasets of a process apart
};

}  // namespace pnflow
