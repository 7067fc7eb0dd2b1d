#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "nodes/cxi_open_file.h"

namespace pnflow {

// The files that several threads fill at once, each of them in one thread's hands at a time. There
// are no more than threads, and more than one only when there is much to write: a run of a few
// small events stands in one file. Thread-safe.
class CxiOpenFiles {
 public:
  // A file in a thread's hands until the end of a scope; it may be closed, and another begun in its
  // place.
  class Hold {
   public:
    // Takes a file that `message` fits into, otherwise any other, otherwise a new one (without a
    // file in it). Waits while all are in other hands and one of them is still small.
    Hold(CxiOpenFiles& files, const CxiPrepared& message);
    // Puts it back, or forgets it when there is no file in it.
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    CxiOpenFile open;

   private:
    CxiOpenFiles& files_;
    bool small_ = false;
  };

  // All that are in nobody's hands.
  std::vector<CxiOpenFile> take_all();

 private:
  CxiOpenFile take_fitting(const CxiPrepared& message);

  // From here on one thread that copies into the page cache may be slower than the disk.
  static constexpr std::size_t small_bytes = std::size_t{32} << 20U;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<CxiOpenFile> free_;
  std::size_t small_in_hand_ = 0;
};

}  // namespace pnflow
