#include "nodes/cxi_open_files.h"

#include <algorithm>
#include <utility>

namespace pnflow {

CxiOpenFiles::Hold::Hold(CxiOpenFiles& files, const CxiPrepared& message) : files_(files) {
  std::unique_lock lock(files_.mutex_);
  files_.changed_.wait(lock, [&] { return !files_.free_.empty() || files_.small_in_hand_ == 0; });
  if (!files_.free_.empty()) open = files_.take_fitting(message);
  small_ = open.bytes < small_bytes;
  files_.small_in_hand_ += small_ ? 1 : 0;
}

CxiOpenFiles::Hold::~Hold() {
  {
    const std::lock_guard lock(files_.mutex_);
    files_.small_in_hand_ -= small_ ? 1 : 0;
    if (open.file) files_.free_.push_back(std::move(open));
  }
  files_.changed_.notify_all();
}

CxiOpenFile CxiOpenFiles::take_fitting(const CxiPrepared& message) {
  const auto fitting =
      std::ranges::find_if(free_, [&](const CxiOpenFile& file) { return file.fits(message); });
  const auto taken = fitting == free_.end() ? free_.begin() : fitting;
  CxiOpenFile file = std::move(*taken);
  free_.erase(taken);
  return file;
}

std::vector<CxiOpenFile> CxiOpenFiles::take_all() {
  const std::lock_guard lock(mutex_);
  return std::exchange(free_, {});
}

}  // namespace pnflow
