#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/crystfel_geometry.h"

// A CrystFEL geometry while it is read: values with the lines that said them.
namespace pnflow::crystfel {

// What is wrong with a file, all of it, for one error in the end.
class GeometryFaults {
 public:
  void add(std::size_t line, std::string text) { faults_.emplace_back(line, std::move(text)); }
  // Throws RunError with a line "file:line: text" for each fault, in the order of the lines and at
  // most 20 of them. Returns where there is none.
  void raise(const std::string& file);

 private:
  std::vector<std::pair<std::size_t, std::string>> faults_;
};

// Which keys were said, and the last line of each.
using KeyLines = std::map<std::string, std::size_t, std::less<>>;

struct PanelDraft {
  GeometryPanel panel;
  std::map<std::size_t, DataAxis> dims{{0, {DataAxis::Kind::ss, 0}}, {1, {DataAxis::Kind::fs, 0}}};
  KeyLines lines;
  std::size_t line = 0;    // its first
  bool is_broken = false;  // a value of it could not be read: that is fault enough
};

struct BadRegionDraft {
  BadRegion region;
  std::string panel;
  KeyLines lines;
  std::size_t line = 0;
  bool is_broken = false;
};

// Checks what only shows when all lines are read, and moves the panels into the geometry, whose
// `panels` are empty before. Where it adds faults, what it makes is of no use.
void complete_panels(CrystfelGeometry& geometry, std::vector<PanelDraft> drafts,
                     GeometryFaults& faults);
// The same for the bad regions, after the panels.
void complete_bad_regions(CrystfelGeometry& geometry, std::vector<BadRegionDraft> drafts,
                          GeometryFaults& faults);

}  // namespace pnflow::crystfel
