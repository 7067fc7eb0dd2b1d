#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/cxi_file.h"

namespace pnflow {

// RUN_master.cxi: one file that opens a run. All datasets of its parts, under the same paths, as
// virtual datasets of HDF5: (N,rows,columns) for the N events of all parts in the order of their
// names, peak lists as wide as the widest, entries that a part does not have 0. The mask is a copy:
// (rows,columns), or (N,rows,columns) where parts have different ones. Sources are named relative
// to the master, so that a directory may be moved as a whole. The parts have images of one shape;
// of different types the master's is one that holds both. For one thread at a time. Errors are
// DataError("write").
class CxiMaster {
 public:
  // `path` is the master's, absolute; `origin` as in the parts.
  CxiMaster(std::filesystem::path path, CxiOrigin origin);

  // Parts lie in the master's directory.
  void add(CxiPart part);
  // Whether parts came since the master was written.
  bool is_outdated() const { return outdated_; }
  // Writes the master anew and replaces the last one in one step. Its cost grows with the parts.
  void write();

 private:
  void write_virtual(const h5::Output& output, hid_t links, const CxiDataset& dataset);
  void write_mask(h5::Output& output, hid_t links);
  void write_attributes(const h5::Output& output);
  std::size_t events() const;

  std::filesystem::path path_;
  CxiOrigin origin_;
  std::vector<CxiPart> parts_;  // by name; equal masks are one
  bool outdated_ = false, written_ = false;
};

}  // namespace pnflow
