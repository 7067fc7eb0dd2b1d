#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/hdf5_dataset.h"
#include "io/hdf5_virtual.h"

namespace pnflow {

// The files that the virtual datasets of a file take their entries from. Of any number: only a few
// are open at a time, those that were asked for last. Safe to use from several threads.
class Hdf5Sources {
 public:
  // `file` has the virtual datasets: the names of sources are relative to it.
  explicit Hdf5Sources(std::filesystem::path file);
  Hdf5Sources(const Hdf5Sources&) = delete;
  Hdf5Sources& operator=(const Hdf5Sources&) = delete;
  ~Hdf5Sources();

  // The dataset that a mapping names. Throws DataError("missing part"), which names the file: it is
  // not there, cannot be read, or has no such dataset of that shape. HDF5 would read it as zeros.
  std::shared_ptr<const Hdf5Dataset> find(const VirtualSource& source) const;

 private:
  struct OpenFile;
  std::shared_ptr<OpenFile> open(const std::string& name) const;

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<OpenFile>> open_;  // what was asked for last is at the end
};

}  // namespace pnflow
