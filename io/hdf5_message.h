#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5_attributes.h"
#include "io/hdf5_dataset.h"
#include "io/hdf5_image.h"
#include "io/hdf5_virtual.h"

namespace pnflow {

// A message that is a whole HDF5 file, as LCLStreamer's HDF5BinarySerializer makes them: one
// dataset per field, the first axis counts the events. Nothing is copied; `bytes` must outlive this
// object and its datasets. Safe to use from several threads; HDF5's lock is held for metadata only.
class Hdf5Message {
 public:
  // `file`: whose bytes these are. Then virtual datasets can be read, out of files that it names
  // relative to itself; a message from elsewhere names none of this machine's.
  // Throws DataError("not HDF5"), DataError("truncated"), DataError("damaged metadata").
  explicit Hdf5Message(std::span<const std::byte> bytes, const std::filesystem::path& file = {});

  // The first of `paths` that is a dataset of this file (links into other files are not followed).
  // Nothing when none is: whether a missing field is an error is the caller's to say.
  // Throws what read_layout() throws.
  std::optional<Hdf5Dataset> find(std::span<const std::string> paths) const;

  // All datasets that hard links lead to, sorted; each group is looked into once, however many lead
  // to it. Throws DataError("damaged metadata").
  std::vector<std::string> paths() const;

  // The attributes of a dataset or a group ("/" is the root) as read_attributes() takes them; none
  // when there is no such object. Throws DataError("damaged metadata").
  std::vector<Hdf5Attribute> attributes(const std::string& path) const;

  // The sources of a virtual dataset; none when there is no such dataset, or it is no virtual one.
  // Throws DataError("damaged metadata").
  std::vector<VirtualSource> virtual_sources(const std::string& path) const;

 private:
  // Names of a group's hard links.
  std::vector<std::string> links(const std::string& group) const;
  bool has_link(const std::string& path) const;

  std::shared_ptr<const Hdf5Image> image_;
  std::shared_ptr<const Hdf5Sources> sources_;
};

}  // namespace pnflow
