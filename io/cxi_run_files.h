#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "io/atomic_file.h"
#include "io/cxi_file.h"
#include "io/cxi_master.h"

namespace pnflow {

// Names of one run's CXI files, and what stands beside them:
//   RUN_00000.cxi ...   RUN.lst (absolute paths of the closed files, what CrystFEL is started with)
//   RUN_master.cxi      all of them as one (io/cxi_master.h), written anew as files close
//   RUN.geom            RUN.json (origin and configuration)
// Files of another image shape need another geometry, so they get RUN-2.lst, RUN-2.geom and
// RUN-2_master.cxi. RUN is the name pattern without its {index} and what separates that from the
// rest.
// Nothing is created before the first file is asked for, and nothing that exists is touched: where
// RUN is taken in the directory (two writers of one run, or runs of one name), it is RUN-NODE, then
// RUN-NODE.2, ...
// next() is for one thread at a time, and so are the others; the two may run at once. Errors are
// DataError("write").
class CxiRunFiles {
 public:
  struct Settings {
    std::filesystem::path directory;     // absolute
    std::string name = "{run}_{index}";  // with all but {index} in place
    std::string node;
    std::string json;  // the text of RUN.json
    CxiOrigin origin;
    DiskWait* wait = nullptr;  // of the files (see AtomicFile)
  };
  explicit CxiRunFiles(Settings settings);

  // What is wrong with a name pattern, placeholders aside; nothing when it is good.
  static std::string name_fault(std::string_view pattern);

  // The next file, under its partial name.
  AtomicFile next();

  // A file is complete: names it in the list, which is made together with the geometry when it is
  // the first of its shape, and writes the master anew, unless that has been done a short while
  // ago. What is not done, or fails, is done next time.
  // `geometry` is the text of that.
  void closed(CxiPart part, const std::string& geometry);
  // There is time to do what is left of that.
  void catch_up();

 private:
  using Clock = std::chrono::steady_clock;
  // Files of one image shape.
  struct Group {
    std::array<std::size_t, 3> shape;  // panels, height, width
    std::string stem;
    CxiMaster master;
    std::string unlisted;  // lines that are not in the list yet
    bool has_list = false;
    Clock::time_point next_refresh;
  };

  std::string stem_with(const std::string& tag) const;
  std::string file_name(std::size_t index) const;
  void claim_stem();
  Group& group_of(const CxiPart& part);
  void list(Group& group);
  void refresh(Group& group);

  Settings settings_;
  std::string before_, separator_, after_;  // of {index} in the name
  std::string tag_;                         // behind the stem, where the stem itself is taken
  bool claimed_ = false;
  std::size_t index_ = 0;
  std::vector<Group> groups_;
};

}  // namespace pnflow
