"""The files of a run: how events are spread over them, and what lies beside them."""

import datetime
import hashlib
import json
import re

import h5py
import numpy as np
import pytest

from chains import IN_ORDER, SHAPE, chain, recorded, simulated
from cxi import by_time, cxi_files, events_of
from peers import Push
from support import Run, expected, finished, messages, pnflow, write_graph

C, H, W = SHAPE


@pytest.mark.sanitizer
def test_a_file_is_closed_when_full_and_messages_may_straddle_two(tmp_path):
    report = finished(tmp_path, recorded({"count": 10, "events_per_message": 3},
                                         events_per_file=4))
    assert report["events"]["delivered"] == 10
    files = cxi_files(tmp_path)
    assert [path.name for path in files] == [f"{report['run']}_{i:05}.cxi" for i in range(3)]
    assert [len(events_of(path)) for path in files] == [4, 4, 2]
    stamps = [event.stamp for event in events_of(*files)]
    assert stamps == sorted(set(stamps))
    assert not list((tmp_path / "out").glob("*.partial"))


def test_a_second_run_into_the_same_directory_overwrites_nothing(tmp_path):
    topology = simulated({"count": 5}, cxi={"events_per_file": 2})

    def contents():
        return {path.name: hashlib.sha256(path.read_bytes()).digest()
                for path in (tmp_path / "out").iterdir()}

    finished(tmp_path, topology)
    first = contents()
    finished(tmp_path, topology)
    second = contents()
    assert len(first) == 3 + len([".lst", ".geom", ".json", "_master.cxi"])
    assert len(second) == 2 * len(first)
    assert first.items() <= second.items()


def test_a_run_leaves_list_geometry_and_origin_beside_its_files(tmp_path):
    report = finished(tmp_path, simulated({"count": 5, "bad_pixels": 0.01},
                                          cxi={"events_per_file": 2}))
    stem = tmp_path / "out" / report["run"]
    assert (stem.parent / f"{stem.name}.lst").read_text().splitlines() == [
        str(path.resolve()) for path in cxi_files(tmp_path)]

    origin = json.loads((stem.parent / f"{stem.name}.json").read_text())
    assert (origin["run"], origin["config"]) == (report["run"], report["config"])

    geometry = dict(re.findall(r"^([\w/]+) = (.+)$",
                               (stem.parent / f"{stem.name}.geom").read_text(), re.M))
    rows = []
    for panel in range(C):
        ranges = [int(geometry[f"p{panel}/{name}"])
                  for name in ("min_fs", "max_fs", "min_ss", "max_ss")]
        assert ranges[:2] == [0, W - 1]
        rows += range(ranges[2], ranges[3] + 1)
    assert f"p{C}/min_ss" not in geometry
    with h5py.File(cxi_files(tmp_path)[0]) as file:
        assert rows == list(range(file[geometry["data"]].shape[1]))
        assert geometry["peak_list"] + "/nPeaks" in file
        assert geometry["photon_energy"].removesuffix(" eV") in file
        assert file[geometry["mask"]].shape == (C * H, W)
    assert (geometry["dim0"], geometry["dim1"], geometry["dim2"]) == ("%", "ss", "fs")
    assert geometry["peak_list_type"] == "cxi"


def test_images_of_another_shape_or_type_begin_another_file(tmp_path):
    panels_u16, panels_f32, small = ("hdf5_bslz4_u16_panels", "hdf5_bslz4_f32_panels",
                                     "hdf5_none_f32")  # the first two have one shape
    names = [panels_u16, small, panels_f32, panels_u16]
    with Run(tmp_path, chain(cxi=IN_ORDER)) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(message for name in names for message in messages(name))
        report = run.finish()
    files = cxi_files(tmp_path)
    for path, name in zip(files, names, strict=True):
        truth = expected(name)
        events = events_of(path)
        assert [event.stamp for event in events] == list(truth["timestamp_u64"])
        assert events[0].image.dtype == truth["images"].dtype
    # A geometry describes a shape, and each list goes with one.
    out, run_name = tmp_path / "out", report["run"]
    for stem, listed, width in [(run_name, [0, 2, 3], 192), (run_name + "-2", [1], 160)]:
        assert (out / f"{stem}.lst").read_text().splitlines() == [str(files[i]) for i in listed]
        assert f"p0/max_fs = {width - 1}\n" in (out / f"{stem}.geom").read_text()
    assert len(list(out.glob("*.geom"))) == 2


def test_files_are_called_as_the_patterns_say(tmp_path):
    report = finished(tmp_path, recorded({"count": 5}, events_per_file=3, name="{node}-{index}.x",
                                         directory="out/{date}/{run}"))
    [directory] = (tmp_path / "out").glob("*/*")
    assert directory.name == report["run"]
    # The run may have begun on the day before the test looks.
    today = datetime.date.today()
    assert directory.parent.name in {str(today), str(today - datetime.timedelta(days=1))}
    assert sorted(path.name for path in directory.iterdir()) == [
        "cxi-00000.x.cxi", "cxi-00001.x.cxi", "cxi.x.geom", "cxi.x.json", "cxi.x.lst",
        "cxi.x_master.cxi"]


def test_runs_of_one_name_overwrite_nothing(tmp_path):
    for _ in range(3):
        finished(tmp_path, recorded({"count": 2}, name="shot_{index}"))
    assert sorted(path.name for path in cxi_files(tmp_path)) == [
        "shot-cxi.2_00000.cxi", "shot-cxi_00000.cxi", "shot_00000.cxi"]
    assert len(list((tmp_path / "out").glob("*_master.cxi"))) == 3


@pytest.mark.parametrize("key, pattern, text", [
    ("directory", "out/{rum}", "'{rum}' in 'out/{rum}' is no placeholder; there are {run}"),
    ("directory", "out/{index}", "is no placeholder"),
    ("directory", "out/{run", "has a '{' without a '}'"),
    ("name", "run}_{index}", "has a '}' without a '{'"),
    ("name", "{run}", "needs {index} once: a run has several files"),
    ("name", "a/{index}", "is a path"),
    ("name", "{index}", "needs a name beside {index}"),
])
def test_a_pattern_that_cannot_name_files_is_refused(tmp_path, key, pattern, text):
    graph = write_graph(tmp_path, recorded({"count": 2}, **{key: pattern}))
    done = pnflow("validate", graph)
    assert done.returncode == 2
    assert text in done.stderr and f"{graph}:" in done.stderr


def test_two_writers_on_one_fan_out_both_have_every_event(tmp_path):
    again = {"type": "cxi_writer", "directory": "out", "events_per_file": 4}
    report = finished(tmp_path, simulated({"count": 10}, again=again, cxi={"events_per_file": 4},
                                          edges=["source -> cxi", "source -> again"]))
    assert report["events"]["delivered"] == 10
    lists = sorted((tmp_path / "out").glob("*.lst"))
    assert len(lists) == 2
    first, second = (by_time(events_of(*path.read_text().split())) for path in lists)
    assert len(first) == 10 and first.keys() == second.keys()
    for stamp, event in first.items():
        np.testing.assert_array_equal(event.image, second[stamp].image)
    nodes = {json.loads(path.read_text())["node"] for path in (tmp_path / "out").glob("*.json")}
    assert nodes == {"cxi", "again"}
