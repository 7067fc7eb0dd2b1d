#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/event_supply.h"

namespace pnflow {

// The events of data files, one file after the other: HDF5 and CXI files, and whatever else
// open_message() reads, under the names that its format usually has. Pixels are as they are stored.
// A CXI master has the events of its parts; it is passed over when they are among the files.
class FileEvents : public EventSupply {
 public:
  // `count`: events that are given at most; 0: all. Throws RunError that names the file: no such
  // file, not a file of events, images of another type or size than those of the file before, a
  // master without one of its parts.
  FileEvents(const std::vector<std::string>& patterns, std::size_t count);
  ~FileEvents() override;

  std::optional<std::size_t> size() const override { return size_; }
  DType dtype() const override { return dtype_; }
  const Shape& event_shape() const override { return event_shape_; }
  SuppliedEvents read(std::size_t first, std::size_t count) override;
  std::uint64_t timestamp(std::size_t event) override;

 private:
  struct File;
  void add(const std::string& name, const std::vector<std::string>& all);
  // The file that an event is in, whose number there takes its place.
  const File& find(std::size_t& event) const;

  std::vector<std::unique_ptr<File>> files_;
  std::size_t size_ = 0;
  DType dtype_ = DType::u16;
  Shape event_shape_;
  bool has_timestamps_ = false, has_wavelengths_ = false;  // in at least one file
};

}  // namespace pnflow
