#include "io/crystfel_skeleton.h"

#include <fmt/format.h>

#include <iterator>

#include "io/cxi_file.h"

namespace pnflow {

std::string crystfel_skeleton(const CxiFormat& format, bool mask) {
  std::string text;
  const auto line = std::back_inserter(text);
  fmt::format_to(line,
                 "; Geometry of CXI files written by pnflow, to be completed: replace each FIXME.\n"
                 "; Panels are stacked: row = module * {} + ss, column = fs.\n"
                 "clen = FIXME m\n"
                 "res = FIXME\n"
                 "adu_per_photon = FIXME\n"
                 "photon_energy = {} eV\n"
                 "data = {}\n"
                 "dim0 = %\n"
                 "dim1 = ss\n"
                 "dim2 = fs\n"
                 "peak_list = {}\n"
                 "peak_list_type = cxi\n",
                 format.height, cxi_path::photon_energy, cxi_path::data, cxi_path::results);
  if (mask) {
    fmt::format_to(line, "mask = {}\nmask_good = 0x00\nmask_bad = 0xff\n", cxi_path::mask);
  }
  for (std::size_t panel = 0; panel < format.panels; ++panel) {
    fmt::format_to(line,
                   "\n"
                   "p{0}/min_fs = 0\n"
                   "p{0}/max_fs = {1}\n"
                   "p{0}/min_ss = {2}\n"
                   "p{0}/max_ss = {3}\n"
                   "p{0}/fs = FIXME\n"
                   "p{0}/ss = FIXME\n"
                   "p{0}/corner_x = FIXME\n"
                   "p{0}/corner_y = FIXME\n",
                   panel, format.width - 1, panel * format.height, (panel + 1) * format.height - 1);
  }
  return text;
}

}  // namespace pnflow
