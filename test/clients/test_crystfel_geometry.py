"""CrystFEL geometries against cfelpyutils: the same panels, and the same places in the laboratory.

The program pnflow_crystfel_geometry prints what pnflow reads from a file, and where points of its
panels are; it is found through PNFLOW_CRYSTFEL_GEOMETRY, else beside pnflow. cfelpyutils' panels
are the judge, with positions in float64 from them: its own pixel maps are float32 and leave out
coffset.
"""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from cfelpyutils.geometry import load_crystfel_geometry

import support
from geometries import gaps, judged, modules, rotated

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
