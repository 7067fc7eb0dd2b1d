#include "io/crystfel_parser.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "graph/error.h"
#include "test/support/scratch_directory.h"

using namespace pnflow;

namespace {

const std::string one_panel =
    "res = 10000\n"
    "p0/min_fs = 0\np0/max_fs = 3\np0/min_ss = 0\np0/max_ss = 2\n"
    "p0/fs = x\np0/ss = y\np0/corner_x = -2\np0/corner_y = 1.5\n";  // nine lines

CrystfelGeometry parse(const std::string& text) { return parse_crystfel_geometry(text, "t.geom"); }

std::string faults_of(const std::string& text) {
  try {
    parse(text);
  } catch (const RunError& error) {
    return error.what();
  }
  return "no fault";
}

// One panel, with one of its lines replaced by `line`.
std::string replaced(const std::string& key, const std::string& line) {
  const std::size_t begin = one_panel.find(key + " =");
  REQUIRE(begin != std::string::npos);
  std::string text = one_panel;
  return text.replace(begin, one_panel.find('\n', begin) - begin, line);
}

void check_vector(const std::string& text, double x, double y, double z) {
  CAPTURE(text);
  const LabVector v = parse(replaced("p0/ss", "p0/ss = " + text)).panels.front().ss;
  CHECK(v.x == x);
  CHECK(v.y == y);
  CHECK(v.z == z);
}

struct Fault {
  std::string text, message;
};

void check_faults(const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) {
    CAPTURE(fault.text);
    CHECK(faults_of(fault.text) == fault.message);
  }
}

}  // namespace

TEST_CASE("a geometry is read with all that it says") {
  const CrystfelGeometry geometry = parse(
      "; a comment\n"
      "  photon_energy = /LCLS/photon_energy_eV eV ; and another\n"
      "clen=80 mm\n"
      "res\t=\t1e4\n"
      "adu_per_eV = 0.001\n"
      "max_adu = 6000\n"
      "bandwidth = 0.002\n"
      "data = /entry_1/data_1/data\n"
      "dim0 = %\ndim1 = 7\ndim2 = ss\ndim3 = fs\n"
      "mask = /mask\nmask_file = m.h5\nmask_good = 0x10\nmask_bad = 255\n"
      "mask7_data = /other\nmask7_goodbits = 0\nmask7_badbits = 0xFF\n"
      "saturation_map = /sat\n"
      "peak_list = /entry_1/result_1\npeak_list_type = cxi\n"
      "flag_lessthan = -5\nmask_edge_pixels = 1\nbadrow_direction = x\n"
      "peak_info_location = /p\npeak_sep = 6\n"
      "q0/min_fs = 4\nq0/max_fs = 7.0\nq0/min_ss = 10\nq0/max_ss = 19\n"
      "q0/fs = -0.5x +0.25y\nq0/ss = -y\nq0/corner_x = +3.5\nq0/corner_y = -1e1\n"
      "q0/coffset = 0.25\nq0/no_index = True\n");
  CHECK(geometry.photon_energy->path == "/LCLS/photon_energy_eV");
  CHECK_FALSE(geometry.photon_energy->value);
  CHECK(geometry.clen->value == doctest::Approx(0.08));
  CHECK(geometry.bandwidth == 0.002);
  CHECK(geometry.peak_list == "/entry_1/result_1");
  CHECK(geometry.peak_list_type == "cxi");
  REQUIRE(geometry.panels.size() == 1);
  const GeometryPanel& panel = geometry.panels.front();
  CHECK(panel.name == "q0");
  CHECK(panel.range.min_fs == 4);
  CHECK(panel.range.max_fs == 7);
  CHECK(panel.range.height() == 10);
  CHECK(panel.fs.x == -0.5);
  CHECK(panel.fs.y == 0.25);
  CHECK(panel.ss.y == -1);
  CHECK(panel.corner_x == 3.5);
  CHECK(panel.corner_y == -10);
  CHECK(panel.res == 10000);
  CHECK(panel.coffset == 0.25);
  CHECK(panel.data == "/entry_1/data_1/data");
  using enum DataAxis::Kind;
  CHECK(panel.dims == std::vector<DataAxis>{{event, 0}, {fixed, 7}, {ss, 0}, {fs, 0}});
  CHECK(panel.masks[0].data == "/mask");
  CHECK(panel.masks[0].file == "m.h5");
  CHECK(panel.masks[0].good_bits == 16);
  CHECK(panel.masks[0].bad_bits == 255);
  CHECK(panel.masks[7].data == "/other");
  CHECK(panel.masks[7].bad_bits == 255);
  CHECK(panel.adu_per_ev == 0.001);
  CHECK_FALSE(panel.adu_per_photon);
  CHECK(panel.max_adu == 6000);
  CHECK(panel.saturation_map == "/sat");
  CHECK(panel.no_index);
}

TEST_CASE("vectors are read in every spelling") {
  check_vector("-0.004*x +0.99y - 1.0z", -0.004, 0.99, -1);
  check_vector("y", 0, 1, 0);
  check_vector("-y", 0, -1, 0);
  check_vector("+ y", 0, 1, 0);
  check_vector("y-x", -1, 1, 0);
  check_vector(".5 y +2.x", 2, 0.5, 0);
  check_vector("0.25 * y\t+ z", 0, 0.25, 1);
  check_vector("0.5y + 0.25y", 0, 0.75, 0);
  check_vector("1.0000000001y + 0x", 0, 1.0000000001, 0);
}

TEST_CASE("a default holds for the panels that begin below it") {
  std::string text = "coffset = 1\nclen = 0.1\n" + one_panel;
  text += "coffset = 2\nres = 5000\np0/adu_per_photon = 3\ndata = /b\n";
  text +=
      "p1/min_fs = 0\np1/max_fs = 3\np1/min_ss = 3\np1/max_ss = 5\np1/fs = x\np1/ss = y\n"
      "p1/corner_x = 0\np1/corner_y = 0\np1/coffset = 4\n"
      "p0/max_adu = 9\n";
  const CrystfelGeometry geometry = parse(text);
  REQUIRE(geometry.panels.size() == 2);
  const GeometryPanel &p0 = geometry.panels[0], &p1 = geometry.panels[1];
  CHECK(p0.coffset == 1);
  CHECK(p0.res == 10000);
  CHECK(p0.data == "/data/data");
  CHECK(p0.adu_per_photon == 3);
  CHECK(p0.max_adu == 9);
  CHECK(p1.coffset == 4);
  CHECK(p1.res == 5000);
  CHECK(p1.data == "/b");
  CHECK_FALSE(p1.adu_per_photon);
}

TEST_CASE("quantities have units, and a path has those of CrystFEL where none is said") {
  const auto clen = [](const std::string& value) {
    return *parse("clen = " + value + "\n" + one_panel).clen;
  };
  CHECK(clen("0.1").value == 0.1);
  CHECK(clen("0.1 m").value == 0.1);
  CHECK(clen("100  mm").value == doctest::Approx(0.1));
  CHECK(clen("/d/encoder").path == "/d/encoder");
  CHECK(clen("/d/encoder").scale == 1e-3);
  CHECK(clen("/d/encoder m").scale == 1);
  const auto energy = [](const std::string& value) {
    return *parse("photon_energy = " + value + "\n" + one_panel).photon_energy;
  };
  CHECK(energy("9500").value == 9500);
  CHECK(energy("9.5 keV").value == 9500);
  CHECK(energy("0.0095 MeV").value == doctest::Approx(9500));
  CHECK(energy("/e keV").scale == 1000);
  const CrystfelGeometry geometry =
      parse("wavelength = 1.5 A\nelectron_voltage = 200 kV\ndetector_shift_x = /s\n" + one_panel);
  CHECK(geometry.wavelength->value == doctest::Approx(1.5e-10));
  CHECK(geometry.electron_voltage->value == 200e3);
  CHECK(geometry.shift_x->scale == 1);
}

TEST_CASE("groups keep their members in order") {
  std::string text = one_panel + "p0/rigid_group = old\n";
  text += "rigid_group_q0 = p0, p9\nrigid_group_q0 = p0,p1\n";
  text += "rigid_group_collection_all = q0,q1\ngroup_a = p0\ngroup_all = a, p0\n";
  const CrystfelGeometry geometry = parse(text);
  REQUIRE(geometry.rigid_groups.size() == 2);
  CHECK(geometry.rigid_groups[0].name == "old");
  CHECK(geometry.rigid_groups[0].members == std::vector<std::string>{"p0"});
  CHECK(geometry.rigid_groups[1].name == "q0");
  CHECK(geometry.rigid_groups[1].members == std::vector<std::string>{"p0", "p1"});
  REQUIRE(geometry.rigid_group_collections.size() == 1);
  CHECK(geometry.rigid_group_collections[0].name == "all");
  CHECK(geometry.rigid_group_collections[0].members == std::vector<std::string>{"q0", "q1"});
  REQUIRE(geometry.groups.size() == 2);
  CHECK(geometry.groups[1].members == std::vector<std::string>{"a", "p0"});

  check_faults({
      {one_panel + "group_a = p0,p1\n",
       "t.geom:10: 'group_a': expected panels or groups from above, found 'p1'"},
      {one_panel + "group_p0 = p0\n",
       "t.geom:10: 'group_p0': there is already a panel or group 'p0'"},
      {one_panel + "group_a = p0,,p0\n",
       "t.geom:10: 'group_a': expected names with commas between them, found 'p0,,p0'"},
      {one_panel + "rigid_group_a = p0,p0\n", "t.geom:10: 'rigid_group_a': 'p0' is there twice"},
      {one_panel + "rigid_groups = p0\n",
       "t.geom:10: expected 'rigid_group_NAME', found 'rigid_groups'"},
  });
}

TEST_CASE("bad regions are on a panel or in the laboratory") {
  const CrystfelGeometry geometry =
      parse("badbeam/min_x = -20.5\nbadbeam/max_x = +20\nbadbeam/min_y = -1\nbadbeam/max_y = 1\n" +
            one_panel +
            "bad_edge/min_fs = 1\nbad_edge/max_fs = 2\nbad_edge/min_ss = 0\nbad_edge/max_ss = 0\n"
            "bad_edge/panel = p0\n"
            "bad3/min_fs = 0\nbad3/max_fs = 0\nbad3/min_ss = 2\nbad3/max_ss = 2\n");
  REQUIRE(geometry.bad_regions.size() == 3);
  const BadRegion &beam = geometry.bad_regions[0], &edge = geometry.bad_regions[1];
  CHECK(beam.name == "badbeam");
  CHECK_FALSE(beam.panel);
  CHECK(beam.min_x == -20.5);
  CHECK(beam.max_y == 1);
  CHECK(edge.panel == 0);
  CHECK(edge.range.min_fs == 1);
  CHECK(edge.range.max_fs == 2);
  CHECK(geometry.bad_regions[2].panel == 0);  // the only one there is
}

TEST_CASE("faults of bad regions are told with their lines") {
  const std::string fs = "bad/min_fs = 1\nbad/max_fs = 2\n",
                    ss = "bad/min_ss = 0\nbad/max_ss = 1\n";
  const std::string x = "bad/min_x = 1\nbad/max_x = 2\n";
  check_faults({
      {one_panel + fs + ss + "bad/panel = p7\n",
       "t.geom:14: bad region 'bad' is on panel 'p7', which is not there"},
      {one_panel + fs + "bad/min_ss = 2\nbad/max_ss = 1\nbad/panel = p0\n",
       "t.geom:13: bad region 'bad' needs max_ss of at least min_ss = 2, found 1"},
      {one_panel + x + "bad/max_y = -1\nbad/min_y = 0.5\n",
       "t.geom:13: bad region 'bad' needs max_y of at least min_y = 0.5, found -1"},
      {one_panel + fs + x + ss,
       "t.geom:10: bad region 'bad' has fs or ss and x or y, expected one of them"},
      {one_panel + fs + "bad/min_ss = 0\n", "t.geom:10: bad region 'bad' has no max_ss"},
      {one_panel + fs + "bad/min_ss = 0\nbad/max_ss = 3\n",
       "t.geom:10: bad region 'bad' (fs 1..2, ss 0..3) must be inside of panel 'p0' (fs 0..3, ss "
       "0..2)"},
      {one_panel + "bad/max_sf = 3\n", "t.geom:10: unknown key 'max_sf'; did you mean 'max_fs'?"},
      {one_panel + "bad/min_x = left\n", "t.geom:10: 'bad/min_x': expected a number, found 'left'"},
      {one_panel +
           "p1/min_fs = 4\np1/max_fs = 5\np1/min_ss = 0\np1/max_ss = 2\np1/fs = x\np1/ss = y\n"
           "p1/corner_x = 0\np1/corner_y = 0\n" +
           fs + ss,
       "t.geom:18: bad region 'bad' has no panel"},
  });
}

TEST_CASE("values that are not right are told with line, key and what was expected") {
  const std::string vector = "expected a vector such as '-0.004x +0.99y -0.1z', found ";
  check_faults({
      {replaced("res", "res = 10000 px"),
       "t.geom:1: 'res': expected a number greater than 0, found '10000 px'"},
      {replaced("res", "res = 0"), "t.geom:1: 'res': expected a number greater than 0, found '0'"},
      {replaced("p0/corner_x", "p0/corner_x = FIXME"),
       "t.geom:8: 'p0/corner_x': expected a number, found 'FIXME'"},
      {replaced("p0/corner_x", "p0/corner_x = nan"),
       "t.geom:8: 'p0/corner_x': expected a number, found 'nan'"},
      {replaced("p0/corner_x", "p0/corner_x = +-1"),
       "t.geom:8: 'p0/corner_x': expected a number, found '+-1'"},
      {replaced("p0/min_fs", "p0/min_fs = -1"),
       "t.geom:2: 'p0/min_fs': expected a whole number from 0 on, found '-1'"},
      {replaced("p0/min_fs", "p0/min_fs = 0.5"),
       "t.geom:2: 'p0/min_fs': expected a whole number from 0 on, found '0.5'"},
      {replaced("p0/min_fs", "p0/min_fs = 1e300"),
       "t.geom:2: 'p0/min_fs': expected a whole number from 0 on, found '1e300'"},
      {replaced("p0/fs", "p0/fs = 1e-3x"), "t.geom:6: 'p0/fs': " + vector + "'1e-3x'"},
      {replaced("p0/fs", "p0/fs = 0.5"), "t.geom:6: 'p0/fs': " + vector + "'0.5'"},
      {replaced("p0/fs", "p0/fs = x y"), "t.geom:6: 'p0/fs': " + vector + "'x y'"},
      {replaced("p0/fs", "p0/fs = x + w"), "t.geom:6: 'p0/fs': " + vector + "'x + w'"},
      {replaced("p0/fs", "p0/fs = x +"), "t.geom:6: 'p0/fs': " + vector + "'x +'"},
      {replaced("p0/fs", "p0/fs = *x"), "t.geom:6: 'p0/fs': " + vector + "'*x'"},
      {replaced("p0/fs", "p0/fs = 2*"), "t.geom:6: 'p0/fs': " + vector + "'2*'"},
      {replaced("p0/fs", "p0/fs = 1.2.3x"), "t.geom:6: 'p0/fs': " + vector + "'1.2.3x'"},
      {"clen = FIXME m\n" + one_panel,
       "t.geom:1: 'clen': expected a number or a path in the data file, with a unit (m, mm), "
       "found 'FIXME m'"},
      {"clen = 12 cm\n" + one_panel, "t.geom:1: 'clen': expected the unit m or mm, found '12 cm'"},
      {"wavelength = 1.5\n" + one_panel,
       "t.geom:1: 'wavelength': expected the unit m or A, found '1.5'"},
      {"data = data\n" + one_panel,
       "t.geom:1: 'data': expected a path that begins with '/', found 'data'"},
      {"mask_bad = 0xzz\n" + one_panel,
       "t.geom:1: 'mask_bad': expected bits as a whole number or behind 0x, found '0xzz'"},
      {"no_index = maybe\n" + one_panel,
       "t.geom:1: 'no_index': expected true, false, 1 or 0, found 'maybe'"},
      {"peak_list_type = h5\n" + one_panel,
       "t.geom:1: 'peak_list_type': expected auto, cxi or list3, found 'h5'"},
      {"dim0 = ff\n" + one_panel,
       "t.geom:1: 'dim0': expected ss, fs, % or a whole number, found 'ff'"},
  });
}

TEST_CASE("lines that are not right are told") {
  check_faults({
      {"res 10000\n" + one_panel, "t.geom:1: expected 'key = value', found 'res 10000'"},
      {"= 3\n" + one_panel, "t.geom:1: expected 'key = value', found '= 3'"},
      {"clen = ; later\n" + one_panel, "t.geom:1: expected a value behind 'clen ='"},
      {"coffsett = 1\n" + one_panel, "t.geom:1: unknown key 'coffsett'; did you mean 'coffset'?"},
      {"mask8_data = /m\n" + one_panel, "t.geom:1: unknown key 'mask8_data'"},
      {"mask1_bad = 1\n" + one_panel, "t.geom:1: unknown key 'mask1_bad'"},
      {"dimx = ss\n" + one_panel, "t.geom:1: unknown key 'dimx'"},
      {"dim = ss\n" + one_panel, "t.geom:1: unknown key 'dim'"},
      {one_panel + "p0/photons = 1\n", "t.geom:10: unknown key 'photons'"},
      {one_panel + "p0/clen = 0.1\n",
       "t.geom:10: 'p0/clen': there is one clen for all panels, expected 'p0/coffset'"},
      {one_panel + "p 0/res = 1\n",
       "t.geom:10: expected the name of a panel, without blanks and not beginning with group or "
       "rigid_group, found 'p 0'"},
      {one_panel + "/res = 1\n",
       "t.geom:10: expected the name of a panel, without blanks and not beginning with group or "
       "rigid_group, found ''"},
      {one_panel + "\ncoffset = 1\n",
       "t.geom:11: 'coffset' has no effect: no panel begins below it"},
      {"res = 3\n", "t.geom:1: expected panels, found none"},
      {"", "t.geom:1: expected a CrystFEL geometry, found an empty file"},
      {"; only\n; comments\n", "t.geom:2: expected panels, found none"},
      {std::string("a\nb\0c", 5), "t.geom:2: expected a text file, found the byte 0x00"},
      {"\x89HDF\r\n\x1a\n", "t.geom:2: expected a text file, found the byte 0x1a"},
  });
}

TEST_CASE("panels that lack something or contradict themselves are told") {
  for (const std::string key : {"p0/min_fs", "p0/max_fs", "p0/min_ss", "p0/max_ss", "p0/fs",
                                "p0/ss", "p0/corner_x", "p0/corner_y", "res"}) {
    const std::string line = key == "p0/min_fs" ? "3" : "2";
    CHECK(faults_of(replaced(key, "")) ==
          "t.geom:" + line + ": panel 'p0' has no " + key.substr(key.find('/') + 1));
  }
  const std::string second =
      "p1/min_fs = 2\np1/max_fs = 6\np1/fs = x\np1/ss = y\np1/corner_x = 0\np1/corner_y = 0\n";
  check_faults({
      {replaced("p0/min_fs", "p0/min_fs = 4"),
       "t.geom:3: panel 'p0' needs max_fs of at least min_fs = 4, found 3"},
      {replaced("p0/max_ss", "p0/min_ss = 9\np0/max_ss = 8"),
       "t.geom:6: panel 'p0' needs max_ss of at least min_ss = 9, found 8"},
      {replaced("p0/ss", "p0/ss = -2x"),
       "t.geom:7: panel 'p0' needs fs and ss in different directions, found fs = +1x +0y +0z and "
       "ss = -2x +0y +0z"},
      {replaced("p0/fs", "p0/fs = 0x"),
       "t.geom:7: panel 'p0' needs fs and ss in different directions, found fs = +0x +0y +0z and "
       "ss = +0x +1y +0z"},
      {one_panel + second + "p1/min_ss = 2\np1/max_ss = 4\n",
       "t.geom:10: panel 'p1' (fs 2..6, ss 2..4) overlaps panel 'p0' (fs 0..3, ss 0..2) in "
       "/data/data"},
      {"dim1 = ss\ndim2 = fs\n" + one_panel, "t.geom:2: panel 'p0' has ss in dim0 and dim1"},
      {"dim0 = fs\n" + one_panel,
       "t.geom:1: panel 'p0' has fs in dim0 and dim1\nt.geom:1: panel 'p0' has no dim that is ss"},
      {"dim0 = %\ndim1 = %\ndim2 = ss\ndim3 = fs\n" + one_panel,
       "t.geom:4: panel 'p0' has % in dim0 and dim1"},
      {"dim0 = fs\ndim1 = ss\n" + one_panel,
       "t.geom:2: panel 'p0' needs fs in a later dim than ss, found dim0 and dim1"},
      {"dim3 = 0\n" + one_panel, "t.geom:1: panel 'p0' has a dim3 and no dim2"},
  });
  // Beside each other, in another data set, or in another place of it.
  CHECK(parse(one_panel + second + "p1/min_ss = 3\np1/max_ss = 4\n").panels.size() == 2);
  const std::string over = "p1/min_ss = 0\np1/max_ss = 4\n";
  CHECK(parse(one_panel + second + over + "p1/data = /b\n").panels.size() == 2);
  CHECK(parse("dim0 = %\ndim1 = 0\ndim2 = ss\ndim3 = fs\n" + one_panel + second + over +
              "p1/dim1 = 1\n")
            .panels.size() == 2);
}

TEST_CASE("all faults are told, in the order of the lines and at most 20") {
  CHECK(faults_of("clen = x\n" + replaced("p0/ss", "") + "q = 1\n") ==
        "t.geom:1: 'clen': expected a number or a path in the data file, with a unit (m, mm), "
        "found 'x'\n"
        "t.geom:3: panel 'p0' has no ss\n"
        "t.geom:11: unknown key 'q'");
  std::string many = one_panel;
  for (int i = 0; i < 25; ++i) many += "q = 1\n";
  const std::string text = faults_of(many);
  CHECK(std::ranges::count(text, '\n') == 20);
  CHECK(text.ends_with("\nt.geom: 5 more"));
}

TEST_CASE("lines may end in LF, CRLF, CR or the end of the file") {
  const auto with = [](const std::string& ending) {
    std::string text;
    for (const char c : one_panel) text += c == '\n' ? ending : std::string(1, c);
    return text;
  };
  for (const char* ending : {"\n", "\r\n", "\r"}) {
    std::string text = with(ending);
    CHECK(parse(text).panels.front().corner_y == 1.5);
    text.resize(text.size() - std::string(ending).size());
    CHECK(parse(text).panels.front().corner_y == 1.5);
    CHECK(faults_of(with(ending) + "wrong") == "t.geom:10: expected 'key = value', found 'wrong'");
  }
  CHECK(parse("; a comment in Latin-1: \xb5m\n" + one_panel).panels.size() == 1);
}

TEST_CASE("a file that cannot be read is told") {
  const test::ScratchDirectory directory;
  const std::string name = directory.path() / "none.geom";
  CHECK_THROWS_WITH_AS(load_crystfel_geometry(name),
                       ("cannot read the geometry file '" + name + "'").c_str(), RunError);
  CHECK_THROWS_AS(load_crystfel_geometry(directory.path()), RunError);
  const std::string there = directory.path() / "there.geom";
  std::ofstream(there) << one_panel << "x\n";
  CHECK_THROWS_WITH_AS(load_crystfel_geometry(there),
                       (there + ":10: expected 'key = value', found 'x'").c_str(), RunError);
}
