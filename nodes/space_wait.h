#pragma once

#include <mutex>
#include <string>

#include "graph/context.h"
#include "io/disk_wait.h"

namespace pnflow {

// `on_error: wait` of a node that writes files: tries again until the disk has room, or the run is
// aborted. Says so once, and again when it goes on, however many threads wait.
class SpaceWait : public DiskWait {
 public:
  explicit SpaceWait(NodeServices& services) : services_(services) {}
  bool again(const std::string& error, int attempt) override;
  void over(bool written) override;

 private:
  NodeServices& services_;
  std::mutex mutex_;
  int waiting_ = 0;
};

}  // namespace pnflow
