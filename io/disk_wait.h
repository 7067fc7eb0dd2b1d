#pragma once

#include <string>

namespace pnflow {

// Whether to try again to write what could not be written for a reason that may pass (a full disk,
// a quota, a directory that is not there). Used from several threads.
class DiskWait {
 public:
  virtual ~DiskWait() = default;
  // Blocks for a while; false: gives up. `attempt` counts from 0 for each thing to be written.
  virtual bool again(const std::string& error, int attempt) = 0;
  // Follows the last again() of one thing: it is written, or was given up.
  virtual void over(bool written) = 0;
};

}  // namespace pnflow
