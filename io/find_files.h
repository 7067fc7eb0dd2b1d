#pragma once

#include <string>
#include <vector>

namespace pnflow {

// The files that are meant: names, and patterns as the shell knows them ("run7/*.bin", "~/x"). What
// one pattern finds is sorted; the patterns keep their order. A file that exists is meant by its
// name, even when that looks like a pattern. The master of a run (io/cxi_master.h) holds what its
// parts hold, so a pattern means it only when it ends as its name does.
// Throws RunError that names the culprit: nothing found, not a file, not readable.
std::vector<std::string> find_files(const std::vector<std::string>& patterns);

}  // namespace pnflow
