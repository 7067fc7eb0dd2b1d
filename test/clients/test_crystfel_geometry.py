"""CrystFEL geometries against cfelpyutils: the same panels, and the same places in the laboratory.

The program pnflow_crystfel_geometry prints what pnflow reads from a file, and where points of its
panels are; it is found through PNFLOW_CRYSTFEL_GEOMETRY, else beside pnflow. cfelpyutils' panels
are the judge, with positions in float64 from them: its own pixel maps are float32 and leave out
coffset.

What the made-up files avoid, because cfelpyutils reads it otherwise than CrystFEL: an axis that a
vector leaves out (it takes 1x for fs and 1y for ss, and not 0), and clen with a unit.
"""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from cfelpyutils.geometry import load_crystfel_geometry

import support

DETECTOR = support.DATA / "bragg" / "detector.geom"
TOLERANCE = 1e-6  # pixels


def tool() -> pathlib.Path:
    beside = support.binary().resolve().parent / "pnflow_crystfel_geometry"
    return pathlib.Path(os.environ.get("PNFLOW_CRYSTFEL_GEOMETRY", beside))


def run(path, points=()):
    lines = "".join(f"{name} {fs!r} {ss!r}\n" for name, fs, ss in points)
    return subprocess.run([tool(), str(path)], input=lines, capture_output=True, text=True,
                          timeout=support.TIMEOUT)


def read(path, points=()):
    done = run(path, points)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---------------------------------------------------------------- made-up detectors

def panel(name, min_fs, min_ss, width, height, fs, ss, corner, **more):
    keys = {"min_fs": min_fs, "max_fs": min_fs + width - 1, "min_ss": min_ss,
            "max_ss": min_ss + height - 1, "fs": fs, "ss": ss, "corner_x": corner[0],
            "corner_y": corner[1], **more}
    return "".join(f"{name}/{key} = {value}\n" for key, value in keys.items())


def term(x, y, z=None):
    return f"{x:+.9f}x {y:+.9f}y" + ("" if z is None else f" {z:+.9f}z")


def rotated():
    """Turned by any angle, tilted towards the beam, mirrored."""
    text = "clen = 0.0875\nres = 13333.3333\nadu_per_photon = 1\ncoffset = -0.0013\n"
    for i, degrees in enumerate([0, 17.3, 90, 133.7, 180, 271.2]):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        mirror = -1 if i % 2 else 1
        text += panel(f"p{i}", 0, 40 * i, 64, 40, term(c, s, 0.03 * i),
                      term(-mirror * s, mirror * c, -0.01 * i), (100.25 * c - 7, 100.25 * s + 0.125))
    return text


def gaps():
    """Rows and columns that belong to no panel, pixels of two sizes, bad regions and groups."""
    text = "; made up\nclen = 0.1 ; metres\nadu_per_eV = 0.001\nres = 10000\n"
    text += "data = /entry_1/data_1/data\ndim0 = %\ndim1 = ss\ndim2 = fs\n"
    text += "mask = /entry_1/data_1/mask\nmask_good = 0x0\nmask_bad = 0xff\n"
    text += "badbeam/min_x = -12.5\nbadbeam/max_x = 12.5\nbadbeam/min_y = -3\nbadbeam/max_y = 4\n"
    text += panel("left", 3, 5, 20, 30, "1.0x -0.001y", "0.001x+1.0y", (-25.5, -14))
    text += panel("right", 30, 5, 20, 30, " 0.999 x - 0.002 y", "+.002x +0.999y", (5.75, -14.5))
    text += "res = 5000\n"
    text += panel("top", 3, 50, 47, 9, "-1x +0y", "+0x -1y", (23, 40), coffset="1e-3")
    text += "badedge/panel = right\nbadedge/min_fs = 30\nbadedge/max_fs = 31\n"
    text += "badedge/min_ss = 5\nbadedge/max_ss = 34\n"
    text += "rigid_group_low = left,right\nrigid_group_high = top\n"
    return text + "rigid_group_collection_all = low,high\n"


def modules():
    """Two modules of two and four ASICs, neither size nor order as one would have it."""
    text = "photon_energy = /LCLS/photon_energy_eV eV\nclen = 0.25\nadu_per_photon = 9.5\n"
    text += "res = 20000\ncoffset = 0.01\n"
    for i in range(4):
        text += panel(f"p1a{i}", 34 * (i % 2), 100 + 21 * (i // 2), 32, 20, "+0.0x +1.0y",
                      "-1.0x +0.0y", (300 - 21.5 * (i // 2), 34 * (i % 2)))
    text += "coffset = -0.02\nres = 19999.5\n"
    for i in range(2):
        text += panel(f"p0a{i}", 48 * i, 0, 48, 64, "-0.999999x +0.0015y -0.0002z",
                      "-0.0015x -0.999999y +0.0001z", (-10.0625 - 48 * i, 64), coffset=0.003 * i)
    return text


MADE_UP = {"rotated": rotated, "gaps": gaps, "modules": modules}


@pytest.fixture(params=["detector.geom", *MADE_UP, "CRLF"])
def geometry(request, tmp_path):
    if request.param == "detector.geom":
        return DETECTOR
    path = tmp_path / f"{request.param}.geom"
    if request.param == "CRLF":
        path.write_bytes(gaps().replace("\n", "\r\n").encode().rstrip())
    else:
        path.write_text(MADE_UP[request.param]())
    return path


# ---------------------------------------------------------------- the judge

def judged(panel, fs, ss):
    """x, y and z without clen, in metres, of a point (fs, ss) from the centre of the first pixel."""
    fs, ss = np.float64(fs) + 0.5, np.float64(ss) + 0.5
    return np.array([(panel["cnx"] + fs * panel["fsx"] + ss * panel["ssx"]) / panel["res"],
                     (panel["cny"] + fs * panel["fsy"] + ss * panel["ssy"]) / panel["res"],
                     panel["coffset"] + (fs * panel["fsz"] + ss * panel["ssz"]) / panel["res"]])


def points_of(panels):
    random = np.random.default_rng(7)
    points = []
    for name, panel in panels.items():
        width, height = panel["w"], panel["h"]
        points += [(name, 0.0, 0.0), (name, -0.5, -0.5), (name, width - 1.0, height - 1.0),
                   (name, width - 0.5, -0.5)]
        points += [(name, float(fs), float(ss)) for fs, ss in
                   random.uniform([-0.5, -0.5], [width - 0.5, height - 0.5], (20, 2))]
    return points


def test_panels_are_those_of_cfelpyutils(geometry):
    expected = load_crystfel_geometry(str(geometry)).detector["panels"]
    found = read(geometry)["panels"]
    assert [panel["name"] for panel in found] == list(expected)
    for panel in found:
        other = expected[panel["name"]]
        assert panel["range"] == [other[f"orig_{key}"]
                                  for key in ("min_fs", "max_fs", "min_ss", "max_ss")]
        for axis in ("fs", "ss"):
            assert panel[axis] == [other[axis + along] for along in "xyz"]
        for key, name in {"corner_x": "cnx", "corner_y": "cny", "res": "res",
                          "coffset": "coffset", "mask": "mask"}.items():
            assert panel[key] == other[name]
        assert panel["data"] == (other["data"] or "/data/data")  # CrystFEL's default
        assert panel["dims"] == other["dim_structure"]


def test_points_lie_where_the_panels_of_cfelpyutils_put_them(geometry):
    panels = load_crystfel_geometry(str(geometry)).detector["panels"]
    points = points_of(panels)
    found = read(geometry, points)["points"]
    assert len(found) == len(points)
    for (name, fs, ss), (x, y, z) in zip(points, found):
        panel = panels[name]
        clen = 0.12 if geometry == DETECTOR else panel["clen"]
        off = (np.array([x, y, z - clen]) - judged(panel, fs, ss)) * panel["res"]
        assert np.all(np.abs(off) < TOLERANCE), (name, fs, ss, off)


def test_bad_regions_and_rigid_groups_are_those_of_cfelpyutils(geometry):
    expected = load_crystfel_geometry(str(geometry)).detector
    found = read(geometry)
    assert found["rigid_groups"] == expected["rigid_groups"]
    assert found["bad_regions"].keys() == expected["bad"].keys()
    for name, region in found["bad_regions"].items():
        other = expected["bad"][name]
        if other["is_fsss"]:
            assert region == {"panel": other["panel"],
                              "range": [other[key] for key in
                                        ("min_fs", "max_fs", "min_ss", "max_ss")]}
        else:
            assert region == {key: other[key] for key in ("min_x", "max_x", "min_y", "max_y")}


def test_modules_hold_their_asics(tmp_path):
    path = tmp_path / "modules.geom"
    path.write_text(modules())
    assert read(path)["modules"] == [{"name": "p0", "range": [0, 95, 0, 63]},
                                     {"name": "p1", "range": [0, 65, 100, 140]}]
    assert read(DETECTOR)["modules"] == [
        {"name": f"p{i}", "range": [0, 383, 352 * i, 352 * i + 351]} for i in range(16)]


def test_a_detector_in_several_data_sets_is_no_slab(tmp_path):
    path = tmp_path / "two.geom"
    path.write_text(gaps() + "top/data = /entry_1/data_2/data\n")
    done = run(path)
    assert done.returncode == 2
    assert "panels 'left' and 'top' are in different data sets" in done.stderr


def test_a_wrong_geometry_is_told_with_file_and_line(tmp_path):
    path = tmp_path / "wrong.geom"
    path.write_text(gaps().replace("left/corner_x = -25.5", "left/corner_x = FIXME"))
    line = path.read_text().split("left/corner_x")[0].count("\n") + 1
    done = run(path)
    assert done.returncode == 2
    assert done.stderr == f"{path}:{line}: 'left/corner_x': expected a number, found 'FIXME'\n"
