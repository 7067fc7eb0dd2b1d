#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace pnflow {

// A part of a CXI master as the master names it, and how it is found.
struct CxiMasterPart {
  std::string file;            // as the master names it
  std::filesystem::path path;  // where that is
  std::size_t first = 0;       // its first event in the master
  std::size_t events = 0;      // that the master says it has
  std::string fault;           // why its events do not read as what they were; empty: they do
};

// The parts of a master (io/cxi_master.h) whose file is called `path` and has these bytes, in the
// order of their events; none when the file is no master. HDF5 itself says nothing about a part
// that is not there: it reads as zeros. So each is opened, and its images and its peaks are looked
// for. Throws what Hdf5Message throws.
std::vector<CxiMasterPart> master_parts(std::span<const std::byte> bytes,
                                        const std::filesystem::path& path);

// Why an event of a master cannot be read: the fault of its part, behind the part's name. Empty
// when there is none.
std::string fault_at(std::span<const CxiMasterPart> parts, std::size_t event);

// Whether `files` has all parts of a master that there are, so that its events are among theirs.
bool parts_are_among(const std::vector<std::string>& files,
                     const std::vector<CxiMasterPart>& parts);

}  // namespace pnflow
