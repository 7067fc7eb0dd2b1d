// Prints what pnflow reads from a CrystFEL geometry, and the laboratory positions of points, so
// that a test can compare them with those of another program.
//
//   pnflow_crystfel_geometry FILE < points > JSON
//
// Input: for each point the name of a panel and, from its first pixel, fs and ss. Output: `panels`,
// `bad_regions`, `rigid_groups`, `modules`, and `points`, x y z in metres in the order of the input
// (z is null without a camera length). Exit status 2 for a bad geometry or input.

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "graph/error.h"
#include "io/crystfel_parser.h"

namespace {

using namespace pnflow;
using nlohmann::json;

json listed(const LabVector& v) { return {v.x, v.y, v.z}; }

json listed(const SlabRange& range) {
  return {range.min_fs, range.max_fs, range.min_ss, range.max_ss};
}

json listed(const DataAxis& axis) {
  switch (axis.kind) {
    case DataAxis::Kind::event: return "%";
    case DataAxis::Kind::ss: return "ss";
    case DataAxis::Kind::fs: return "fs";
    case DataAxis::Kind::fixed: break;
  }
  return axis.index;
}

json listed(const GeometryPanel& panel) {
  json dims = json::array();
  for (const DataAxis& axis : panel.dims) dims.push_back(listed(axis));
  return {{"name", panel.name},         {"range", listed(panel.range)},
          {"fs", listed(panel.fs)},     {"ss", listed(panel.ss)},
          {"corner_x", panel.corner_x}, {"corner_y", panel.corner_y},
          {"res", panel.res},           {"coffset", panel.coffset},
          {"data", panel.data},         {"mask", panel.masks[0].data},
          {"dims", std::move(dims)}};
}

json listed(const CrystfelGeometry& geometry) {
  json all;
  for (const GeometryPanel& panel : geometry.panels) all["panels"].push_back(listed(panel));
  all["bad_regions"] = json::object();
  for (const BadRegion& bad : geometry.bad_regions) {
    all["bad_regions"][bad.name] =
        bad.panel ? json{{"panel", geometry.panels[*bad.panel].name}, {"range", listed(bad.range)}}
                  : json{{"min_x", bad.min_x},
                         {"max_x", bad.max_x},
                         {"min_y", bad.min_y},
                         {"max_y", bad.max_y}};
  }
  all["rigid_groups"] = json::object();
  for (const PanelGroup& group : geometry.rigid_groups) {
    all["rigid_groups"][group.name] = group.members;
  }
  for (const GeometryModule& module : geometry.modules()) {
    all["modules"].push_back({{"name", module.name}, {"range", listed(module.range)}});
  }
  return all;
}

json positions(const CrystfelGeometry& geometry) {
  json points = json::array();
  std::string name;
  double fs = 0, ss = 0;
  while (std::cin >> name >> fs >> ss) {
    const auto panel = geometry.find(name);
    if (!panel) throw RunError(fmt::format("there is no panel '{}'", name));
    points.push_back(listed(geometry.position(*panel, fs, ss)));
  }
  if (!std::cin.eof()) throw RunError("expected a panel, fs and ss in each line of the input");
  return points;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: pnflow_crystfel_geometry FILE < points\n");
    return 2;
  }
  try {
    const CrystfelGeometry geometry = load_crystfel_geometry(argv[1]);
    json all = listed(geometry);
    all["points"] = positions(geometry);
    std::cout << all << '\n';
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
  return 0;
}
