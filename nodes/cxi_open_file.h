#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "io/cxi_file.h"
#include "nodes/cxi_prepare.h"
#include "nodes/owed_delivery.h"

namespace pnflow {

// A CXI file that is being filled, and the messages whose events are in it. For one thread at a
// time.
struct CxiOpenFile {
  std::unique_ptr<CxiFile> file;  // nullptr: there is none yet
  std::vector<std::pair<std::shared_ptr<OwedDelivery>, std::size_t>> entries;  // and their events
  std::size_t bytes = 0;                                                       // of its images

  // Whether events of that message may be in it. Without a file nothing fits.
  bool fits(const CxiPrepared& message) const;
  // Throws DataError("write").
  void append(const std::shared_ptr<OwedDelivery>& owed, CxiPrepared::Item&& item);
  // Its events have arrived / will never: answers for them.
  void settle();
  void lose();
};

}  // namespace pnflow
