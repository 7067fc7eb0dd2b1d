#include "io/crystfel_for_cxi.h"

#include <doctest/doctest.h>

#include <string>

#include "io/crystfel_parser.h"

using namespace pnflow;

namespace {

const std::string panels =
    "p0/min_fs = 0\np0/max_fs = 9\np0/min_ss = 0\np0/max_ss = 9\n"
    "p0/fs = +1.0x +0.0y\np0/ss = +0.0x +1.0y\np0/corner_x = 0\np0/corner_y = 0\n";

const std::string our_head =
    "photon_energy = /LCLS/photon_energy_eV eV\ndata = /entry_1/data_1/data\n"
    "dim0 = %\ndim1 = ss\ndim2 = fs\npeak_list = /entry_1/result_1\npeak_list_type = cxi\n";

// The result, which must be a geometry that has our places for every panel.
std::string edited(const std::string& text, bool mask = false) {
  std::string result = crystfel_for_cxi(text, parse_crystfel_geometry(text, "test"), mask);
  const CrystfelGeometry geometry = parse_crystfel_geometry(result, "edited");
  CHECK(geometry.peak_list == "/entry_1/result_1");
  CHECK(geometry.peak_list_type == "cxi");
  for (const GeometryPanel& panel : geometry.panels) {
    CHECK(panel.data == "/entry_1/data_1/data");
    CHECK(panel.dims == std::vector<DataAxis>{{DataAxis::Kind::event, 0},
                                              {DataAxis::Kind::ss, 0},
                                              {DataAxis::Kind::fs, 0}});
    int ours = 0;
    for (const GeometryMask& known : panel.masks) {
      if (known.data.empty() || !known.file.empty()) continue;
      CHECK(known.data == "/entry_1/data_1/mask");
      CHECK(known.good_bits == 0);
      CHECK(known.bad_bits == 0xff);
      ++ours;
    }
    CHECK(ours == (mask ? 1 : 0));
  }
  return result;
}

}  // namespace

TEST_CASE("what a geometry does not say is put in front of it") {
  const std::string text = "res = 10000 ; of the ePix\nclen = 0.1 m\n" + panels;
  CHECK(edited(text) == our_head + text);
  CHECK(edited(text, true) == our_head +
                                  "mask0_data = /entry_1/data_1/mask\nmask0_goodbits = 0x00\n" +
                                  "mask0_badbits = 0xff\n" + text);
}

TEST_CASE("a geometry for our files stays as it is") {
  const std::string text = "; mine\nres=10000\n" + our_head + panels + "\n; the end";
  CHECK(edited(text) == text);
}

TEST_CASE("places of other data files become ours, with comments and line ends kept") {
  const std::string text =
      "res = 10000\r\nphoton_energy = 9500 eV ; nominal\r\n data=/their/data\t; raw\r\n"
      "dim0 = %\r\ndim1 = 3\r\ndim2 = ss\r\ndim3 = fs\r\n"
      "peak_list = /their/peaks\r\npeak_list_type = list3\r\nclen = /their/clen mm ; encoder\r\n";
  CHECK(edited(text + panels) ==
        "res = 10000\r\nphoton_energy = /LCLS/photon_energy_eV eV ; nominal\r\n"
        " data= /entry_1/data_1/data ; raw\r\n"
        "dim0 = %\r\ndim1 = ss\r\ndim2 = fs\r\n; not in pnflow's files: dim3 = fs\r\n"
        "peak_list = /entry_1/result_1\r\npeak_list_type = cxi\r\n"
        "clen = /LCLS/detector_1/EncoderValue mm ; encoder\r\n" +
            panels);
}

TEST_CASE("a panel's own places become ours") {
  const std::string text =
      "res = 10000\n" + panels + "p0/data = /their/data\np0/dim0 = ss\n" + "p0/dim1 = fs\n";
  CHECK(edited(text) == our_head + "res = 10000\n" + panels +
                            "p0/data = /entry_1/data_1/data\np0/dim0 = %\np0/dim1 = ss\n");
}

TEST_CASE("masks in the data give way to ours, those in files of their own stay") {
  const std::string inside = "mask = /their/mask\nmask_good = 1\nmask_bad = 2\n";
  CHECK(
      edited("res = 10000\n" + inside + panels).find("\n; not in pnflow's files: mask_good = 1") !=
      std::string::npos);
  edited("res = 10000\n" + inside + panels, true);
  const std::string outside = "mask_file = bad.h5\n" + inside;
  CHECK(edited("res = 10000\n" + outside + panels).find("\n" + outside) != std::string::npos);
  CHECK(edited("res = 10000\n" + outside + panels, true).find("mask1_badbits = 0xff\n") !=
        std::string::npos);
  const std::string two =
      "mask0_data = /a\nmask0_file = a.h5\nmask1_data = /b\nmask1_badbits = 4\n";
  const std::string result = edited("res = 10000\n" + two + panels, true);
  CHECK(result.find("; not in pnflow's files: mask1_data = /b\n") != std::string::npos);
  CHECK(result.find("mask1_data = /entry_1/data_1/mask\n") < result.find("mask1_data = /b"));
}

TEST_CASE("only what the user's data files have is taken out") {
  const std::string text =
      "res = 10000\nsaturation_map = /their/map\ndetector_shift_x = /their/shift mm\n"
      "detector_shift_y = 1 mm\nbadedge/panel = p0\nbadedge/min_fs = 0\nbadedge/max_fs = 1\n"
      "badedge/min_ss = 0\nbadedge/max_ss = 9\n";
  const std::string result = edited(text + panels);
  CHECK(result.find("; not in pnflow's files: saturation_map") != std::string::npos);
  CHECK(result.find("; not in pnflow's files: detector_shift_x") != std::string::npos);
  CHECK(result.find("\ndetector_shift_y = 1 mm\nbadedge/panel = p0\n") != std::string::npos);
}

TEST_CASE("an electron microscope's voltage stays") {
  const std::string result = edited("res = 10000\nelectron_voltage = 200 kV\n" + panels);
  CHECK(result.find("photon_energy") == std::string::npos);
}
