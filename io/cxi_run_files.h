#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "io/atomic_file.h"
#include "io/cxi_event.h"

namespace pnflow {

// Names of one run's CXI files, and what stands beside them:
//   RUN_00000.cxi ...   RUN.lst (absolute paths of the closed files, what CrystFEL is started with)
//   RUN.geom            RUN.json (origin and configuration)
// Files of another image shape need another geometry, so they get RUN-2.lst and RUN-2.geom.
// Nothing is created before the first file is asked for, and nothing that exists is touched: where
// RUN is taken in the directory (two writers of one run), it is RUN-NODE, then RUN-NODE-2, ...
// For one thread at a time. Errors are DataError("write").
class CxiRunFiles {
 public:
  // `directory` is absolute; `origin` is the text of RUN.json.
  CxiRunFiles(std::filesystem::path directory, std::string run, std::string node,
              std::string origin);

  // The next file, under its partial name.
  AtomicFile next();

  // A file is complete: names it in the list, which is made together with the geometry when it is
  // the first of its shape. `geometry` is the text of that.
  void list(const std::filesystem::path& file, const CxiFormat& format,
            const std::string& geometry);

 private:
  void claim_stem();

  std::filesystem::path directory_;
  std::string run_, node_, origin_;
  std::string stem_;  // empty until claimed
  std::size_t index_ = 0;
  using ImageShape = std::array<std::size_t, 3>;
  std::vector<ImageShape> shapes_;  // panels, height, width
};

}  // namespace pnflow
