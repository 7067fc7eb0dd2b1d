#pragma once

#include <string>

namespace pnflow {

// What a node measures of itself beyond what is measured of every node, for the report and the
// final table: {"device 0", "compute busy", 99.1, "%"}.
struct Figure {
  std::string group;  // figures of one group share a line; may be empty
  std::string name;   // unique in its group
  double value = 0;
  std::string unit;  // empty: none
};

}  // namespace pnflow
