#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pnflow {

// Where a panel of a CrystFEL geometry lies in the image, in pixels; the last ones belong to it.
struct CrystfelRange {
  double min_fs = 0, max_fs = 0, min_ss = 0, max_ss = 0;

  // In coordinates of CrystFEL, in which pixel 0 reaches from 0 to 1. `margin`: how far outside is
  // still inside.
  bool contains(double fs, double ss, double margin = 0) const {
    return fs >= min_fs - margin && fs < max_fs + 1 + margin && ss >= min_ss - margin &&
           ss < max_ss + 1 + margin;
  }
};

// The ranges of the panels of a CrystFEL geometry, line by line; nothing else of it is looked at.
// Format: the manual page crystfel_geometry(5).
class CrystfelPanels {
 public:
  // One line of the geometry file, without its end.
  void add(std::string_view line);

  // nullptr when there is no such panel, or not all four of its limits are known.
  const CrystfelRange* find(std::string_view name) const;

 private:
  struct Limits {
    std::optional<double> min_fs, max_fs, min_ss, max_ss;
  };
  struct Panel {
    Limits limits;
    std::optional<CrystfelRange> range;  // once all limits are known
  };

  Limits defaults_;  // what stands without a panel's name counts for the panels behind it
  std::map<std::string, Panel, std::less<>> panels_;
};

}  // namespace pnflow
