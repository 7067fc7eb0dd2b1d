#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/array.h"
#include "io/hdf5_message.h"

namespace pnflow {

// One peak as a CXI file has it: column and row of the file's image, 0-based pixel centres. NaN is
// what the file does not tell.
struct StoredPeak {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  double x = unknown, y = unknown;
  double total = unknown, maximum = unknown, snr = unknown, npix = unknown, panel = unknown;
};

// The peak lists of a CXI file, pnflow's or another program's, and what belongs to them: the tables
// of io/cxi_file.h. A table that is not there, or cannot be read, is one that the file does not
// have; to find damage is not its business. The file's bytes must outlive it.
// Safe to use from several threads.
class CxiReader {
 public:
  // `file` as Hdf5Message has it: a master (io/cxi_master.h) is read with its parts then, and what
  // a part that is missing holds is what cannot be read. Throws what Hdf5Message throws, and
  // DataError("not CXI") without /entry_1/result_1/nPeaks.
  explicit CxiReader(std::span<const std::byte> bytes, const std::filesystem::path& file = {});

  // Whether these are the paths of a CXI file with peaks.
  static bool is_cxi(std::span<const std::string> paths);

  // What a dataset says of itself; nullptr when there is no such one or it cannot be used.
  const DatasetInfo* info(const std::string& path) const;
  // The numbers of entry `index` of a dataset's first axis, whatever their type (those of all of it
  // when it has no axes); nothing when they cannot be read.
  std::optional<std::vector<double>> numbers(const std::string& path, std::size_t index) const;

  // The packed time stamp of an event, to the last bit; nothing when it cannot be read.
  std::optional<std::uint64_t> timestamp(std::size_t event) const;

  // Entries of nPeaks.
  std::size_t events() const;
  // What nPeaks says of an event, as it stands; nothing when it cannot be read.
  std::optional<std::int64_t> peak_count(std::size_t event) const;
  // The peaks of an event in the order of the file: as many as nPeaks says and the tables hold.
  std::vector<StoredPeak> peaks(std::size_t event) const;

  // What pnflow notes at the images: whether their pixels are not in detector units any more, and
  // of how many panels, one below the other, they consist.
  std::optional<bool> normalized() const;
  std::optional<std::size_t> panels() const;

  // Bad pixels of an event, uint8 (H,W), 1 is bad; nothing without a mask of integers, (H,W) or
  // (N,H,W).
  std::optional<Array> mask(std::size_t event) const;

 private:
  const Hdf5Dataset* dataset(const std::string& path) const;
  std::optional<std::int64_t> image_attribute(std::string_view name) const;

  Hdf5Message message_;
  std::map<std::string, Hdf5Dataset, std::less<>> datasets_;
};

// Where a column of the peak lists is: "/entry_1/result_1/NAME".
std::string cxi_result(std::string_view name);

}  // namespace pnflow
