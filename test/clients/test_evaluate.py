"""`pnflow evaluate` against a scorer of another make (truth.py): of CXI files, and of graphs that
it runs itself."""

from __future__ import annotations

import json
import signal
import time

import cv2
import h5py
import numpy as np
import pytest

import truth
from chains import chain
from cxi import DATA, RESULTS, STAMPS, cxi_files
from support import Process, finished, needs_libtorch, pnflow, write_graph
from truth import Event, Spot, read_peaks, write_peaks, write_truth

HEIGHT, WIDTH, PANELS = 40, 60, 3
SHAPE = (PANELS, HEIGHT, WIDTH)
# Packed, and apart in nanoseconds only: as float64 they would be one.
FIRST = (1_700_000_000 << 32) + 7
GRAPH = "source -> decode -> q1 -> infer -> q2 -> peaks -> cxi"


def evaluate(*arguments, status=0) -> dict:
    done = pnflow("evaluate", "--json", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def check(found, expected):
    for name in ("reflections", "found", "peaks"):
        assert found[name] == expected[name]
    for name in ("recall", "precision", "f1"):
        assert found[name] == pytest.approx(expected[name], rel=1e-12)
    assert [(each["reflections"], each["found"])
            for each in found["recall_by_snr"]] == expected["bins"]
    assert [each["position"] for each in found["recall_by_snr"]] == pytest.approx(
        expected["positions"], rel=1e-9)
    assert found["position"] == pytest.approx(expected["position"], rel=1e-9, abs=1e-12)
    assert found["worst"]["event"] == expected["worst"]
    assert found["worst"]["lost"] == pytest.approx(expected["lost"])


# ---------------------------------------------------------------- figures

def crowded(rng, count=30) -> list[Event]:
    """Spots so near each other that peaks have several to choose from, at edges of panels too."""
    events = []
    for number in range(count):
        crystal = number % 3 != 1
        spots = [Spot(int(rng.integers(PANELS)), rng.uniform(-0.4, WIDTH - 0.6),
                      rng.choice([rng.uniform(-0.4, HEIGHT - 0.6), 0.2, HEIGHT - 1.2]),
                      snr=np.exp(rng.uniform(np.log(3.5), np.log(60))) if bright else 2.0,
                      kind=int(not crystal or rng.random() < 0.1), visible=int(bright))
                 for bright in rng.random(rng.integers(0, 80)) < 0.7]
        events.append(Event(FIRST + number, spots, crystal))
    return events


def near(rng, event) -> np.ndarray:
    """Peaks (x, y) about most of an event's spots, some twice, and some of their own."""
    spots = [spot for spot in event.spots for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    peaks = np.array([(spot.fs, spot.panel * HEIGHT + spot.ss) for spot in spots]).reshape(-1, 2)
    peaks = peaks + rng.normal(0.1, 0.7, peaks.shape)
    alone = rng.uniform(0, (WIDTH, PANELS * HEIGHT), (rng.integers(0, 8), 2))
    return rng.permutation(np.concatenate([peaks, alone]))


@pytest.mark.parametrize("radius", [2, 0.5, 6])
def test_every_figure_is_that_of_another_scorer(tmp_path, radius):
    rng = np.random.default_rng(int(radius * 10))
    events = crowded(rng)
    data = write_truth(tmp_path / "truth.h5", events, SHAPE)
    peaks = [(event.stamp, near(rng, event)) for event in events]
    order = rng.permutation(len(events))[3:]  # three events are nowhere
    files = [write_peaks(tmp_path / f"{name}.cxi", [peaks[i] for i in part])
             for name, part in zip("abc", np.array_split(order, 3))]
    found = evaluate("--truth", data, *files, "--radius", radius)
    expected = truth.score(events, read_peaks(*files), HEIGHT, radius)
    assert min(expected["peaks"].values()) > 0
    assert 0.05 < expected["recall"] < 0.99
    check(found, expected)
    assert (found["radius"], found["files"], found["run"]) == (radius, 3, None)
    crystals = sum(event.crystal for event in events)
    present = sum(events[i].crystal for i in order)
    assert found["events"] == {"crystals": crystals, "blanks": 30 - crystals,
                               "crystals_present": present, "blanks_present": 27 - present,
                               "in_files": 27, "repeated": 0, "unknown": 0, "cut": 0}


def test_the_table_has_the_figures(tmp_path):
    events = [Event(FIRST, [Spot(0, 5, 5, 3.6), Spot(0, 15, 5, 6), Spot(0, 25, 5, 30),
                            Spot(0, 5, 15, 30), Spot(0, 25, 15, 2, visible=0)]),
              Event(FIRST + 1, [], False), Event(FIRST + 2, [Spot(0, 9, 9)])]
    data = write_truth(tmp_path / "truth.h5", events)
    cxi = write_peaks(tmp_path / "a.cxi", [
        (FIRST, [(15.3, 5.4), (25, 4), (26, 5), (25, 16), (12, 12)]), (FIRST + 1, [(3, 3)])])
    done = pnflow("evaluate", "--truth", data, cxi)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout == f"""\
{data}: 2 events with a crystal, 1 blank
  events     2 in 1 CXI file: 1 of 2 with a crystal, 1 of 1 blank
  recall     0.4000: of 5 visible reflections, 2 are found within 2 pixels
  precision  0.4000: 2 peaks matched, 1 duplicate, 2 false, of which 1 on blanks
             1 at reflections too faint to ask for, or at stray spots: ignored
  F1         0.4000
  SNR           3.5-4     4-5     5-7    7-10   10-20     >20
  recall        0.000       -   1.000   0.000       -   0.500
  off by            -       -   0.500       -       -   1.000 px in the median
  of                1       0       1       1       0       2 reflections
  position   off by 0.750 px in the median, 0.975 px at 95%; mean offset fs 0.150, ss -0.300 px
  worst      event 2 lost 1 of 1 reflections of SNR 5 or more, 100.0%
"""


def test_nothing_found_and_nothing_to_find_are_not_divided(tmp_path):
    data = write_truth(tmp_path / "truth.h5", [Event(FIRST, [Spot(0, 5, 5)]), Event(1, [], False)])
    found = evaluate("--truth", data, write_peaks(tmp_path / "a.cxi", [(FIRST, []), (1, [])]))
    assert (found["recall"], found["precision"], found["f1"]) == (0, None, 0)
    assert set(found["position"].values()) == {None}
    data = write_truth(tmp_path / "blank.h5", [Event(FIRST, [], False)])
    found = evaluate("--truth", data, write_peaks(tmp_path / "a.cxi", [(FIRST, [(5, 5)])]))
    assert (found["recall"], found["precision"], found["f1"]) == (None, 0, 0)
    assert found["peaks"]["false_on_blanks"] == 1 and found["worst"] is None


# ---------------------------------------------------------------- which events

def test_time_stamps_that_repeat_or_are_strange_are_warned_of(tmp_path):
    events = [Event(FIRST + i, [Spot(0, 5, 5)]) for i in range(3)]
    data = write_truth(tmp_path / "truth.h5", events)
    a = write_peaks(tmp_path / "a.cxi", [(FIRST, [(5, 5)]), (FIRST + 2, [(5, 5)])])
    b = write_peaks(tmp_path / "b.cxi", [(FIRST + 2, []), (FIRST + 3, [(5, 5)]), (9, [])])
    done = pnflow("evaluate", "--json", "--truth", data, a, b)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "pnflow evaluate: warning: 1 event repeated a time stamp: the last one of each counts",
        "pnflow evaluate: warning: 2 events had a time stamp that is not in the truth: not scored"]
    found = json.loads(done.stdout)
    assert (found["events"]["repeated"], found["events"]["unknown"]) == (1, 2)
    assert (found["found"], found["events"]["crystals_present"]) == (1, 2)
    # The order of the files says which one is the last.
    assert evaluate("--truth", data, b, a)["found"] == 2


def test_a_list_that_is_shorter_than_its_number_is_warned_of(tmp_path):
    data = write_truth(tmp_path / "truth.h5", [Event(FIRST, [Spot(0, 5, 5)])])
    cxi = write_peaks(tmp_path / "a.cxi", [(FIRST, [(5, 5)])])
    with h5py.File(cxi, "r+") as file:
        file[RESULTS + "nPeaks"][0] = 3
    done = pnflow("evaluate", "--json", "--truth", data, cxi)
    assert "warning: 1 event had fewer peaks that can be read than the file says" in done.stderr
    assert json.loads(done.stdout)["found"] == 1


# ---------------------------------------------------------------- graphs

@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Two panels with spots of known places on noise, 12 events, a third of them blanks."""
    rng = np.random.default_rng(5)
    shape, y, x = (2, 64, 80), *np.indices((64, 80))
    events, images = [], rng.normal(0, 3, (12, *shape))
    for number in range(12):
        crystal = number % 3 > 0
        spots = [Spot(panel, fs + rng.uniform(-2, 2), ss + rng.uniform(-2, 2),
                      snr=rng.choice([4.5, 9.0, 30.0]))
                 for panel in range(2) for fs in range(10, 75, 16) for ss in range(10, 60, 16)
                 if crystal]
        for spot in spots:
            images[number, spot.panel] += 12 * spot.snr * np.exp(
                -((x - spot.fs)**2 + (y - spot.ss)**2) / (2 * 0.8**2))
        events.append(Event(FIRST + number, spots, crystal))
    directory = tmp_path_factory.mktemp("simulated")
    return write_truth(directory / "truth.h5", events, shape, np.rint(images)), events


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where pnflow puts what is temporary; nothing may be left in it."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    yield directory
    assert not list(directory.iterdir())


def graph_of(tmp_path, source=None, edges=GRAPH, **changes):
    source = {"type": "file_source", "files": ["nothing/*.h5"], **(source or {})}
    return chain(edges, source=source, **changes)


def test_a_graph_scores_as_its_files_do(tmp_path, simulated, scratch):
    data, events = simulated
    finished(tmp_path, graph_of(tmp_path, {"files": [str(data)]}, cxi={"events_per_file": 5}))
    files = cxi_files(tmp_path)
    assert len(files) > 1
    of_files = evaluate("--truth", data, *(tmp_path / "out").glob("*.cxi"))  # with the master
    assert of_files["files"] == len(files)
    check(of_files, truth.score(events, read_peaks(*files), 64))
    assert of_files["recall"] > 0.6

    # The graph's own files, directory and passes do not matter.
    graph = write_graph(tmp_path, graph_of(tmp_path, {"loop": 0, "first": 3, "rate": "1 Hz"},
                                           cxi={"directory": str(tmp_path / "own"),
                                                "compression": "bitshuffle_lz4"}), "g.json")
    found = evaluate("--truth", data, "--graph", graph)
    assert found.pop("run") == {"decoded": 12, "delivered": 12, "vetoed": 0, "failed": 0}
    del of_files["run"], of_files["files"], found["files"]
    assert found == of_files
    assert not (tmp_path / "own").exists()


def test_settings_of_a_graph_change_the_figures(tmp_path, simulated, scratch):
    data, _ = simulated
    graph = write_graph(tmp_path, graph_of(tmp_path))
    all_of_it = evaluate("--truth", data, "--graph", graph)
    strict = evaluate("--truth", data, "--graph", graph, "--set", "infer.threshold.snr=40",
                      "--set", "peaks.min_num_peak=1")
    assert strict["recall"] < all_of_it["recall"]
    assert strict["run"]["vetoed"] >= 4 and strict["events"]["blanks_present"] == 0
    part = evaluate("--truth", data, "--graph", graph, "--set", "source.count=4")
    assert part["run"]["decoded"] == 4
    nothing = evaluate("--truth", data, "--graph", graph, "--set", "peaks.min_num_peak=1000")
    assert nothing["run"]["vetoed"] == 12
    assert (nothing["files"], nothing["recall"], nothing["precision"]) == (0, 0, None)


def test_events_that_fail_in_the_run_are_told(tmp_path, simulated, scratch):
    data, _ = simulated
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(data.read_bytes())
    with h5py.File(damaged, "r+") as file:
        where = file["/data/data"].id.get_chunk_info(4)
    with damaged.open("r+b") as file:
        file.seek(where.byte_offset + where.size // 2)
        file.write(b"\xff" * 64)
    graph = write_graph(tmp_path, graph_of(tmp_path))
    done = pnflow("evaluate", "--json", "--truth", damaged, "--graph", graph)
    assert done.returncode == 0, done.stderr
    assert "warning: 1 events failed in the run, 'damaged chunk'" in done.stderr
    found = json.loads(done.stdout)
    assert found["run"]["failed"] == 1 and found["events"]["in_files"] == 11
    assert found["worst"]["event"] == 4 and found["worst"]["lost"] == 1


def test_a_signal_ends_it_without_leftovers(tmp_path, simulated, scratch):
    data, _ = simulated
    graph = write_graph(tmp_path, graph_of(tmp_path))
    with Process("evaluate", "--truth", data, "--graph", graph, "--set",
                 "source.rate=0.05 Hz", "--set", "source.events_per_message=1") as process:
        while not any(scratch.glob("*/*")):
            assert process.process.poll() is None, process.output
            time.sleep(0.01)
        process.signal(signal.SIGINT)
        assert process.wait() == 130
    assert not process.stdout


@needs_libtorch
def test_a_run_that_cannot_begin_is_a_run_time_error(tmp_path, simulated, scratch):
    graph = write_graph(tmp_path, graph_of(
        tmp_path, infer={"type": "infer", "engine": "torchscript", "weights": "none.pt"}))
    done = pnflow("evaluate", "--truth", simulated[0], "--graph", graph)
    assert done.returncode == 1 and "none.pt" in done.stderr and not done.stdout


# ---------------------------------------------------------------- the chart

def test_the_chart_has_a_bar_as_high_as_each_recall(tmp_path):
    snrs, lost = [3.6, 4.5, 8, 15, 30], [4, 3, 2, 1, 0]
    spots = [Spot(0, 3 + 6 * j, 3 + 8 * i, snr) for i, snr in enumerate(snrs) for j in range(4)]
    data = write_truth(tmp_path / "truth.h5", [Event(FIRST, spots)], (1, 40, 30))
    found = [(spot.fs, spot.ss) for spot, j in zip(spots, [0, 1, 2, 3] * 5)
             if j >= lost[int((spot.ss - 3) / 8)]]
    cxi = write_peaks(tmp_path / "a.cxi", [(FIRST, found)])
    evaluate("--truth", data, cxi, "--png", tmp_path / "a.png")
    pixels = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)[:, :, ::-1]
    found, lost, paper = (49, 104, 142), (225, 225, 225), (255, 255, 255)
    bars = []
    for left in range(40, pixels.shape[1] - 20, 80):
        bar = pixels[20:420, left:left + 60]
        assert (bar == bar[:, :1]).all() and (pixels[21:119, left - 20:left] == paper).all()
        bars.append(((bar[:, 0] == found).all(1).sum(), (bar[:, 0] == lost).all(1).sum()))
    assert bars == [(0, 400), (100, 300), (0, 0), (200, 200), (300, 100), (400, 0)]
    assert (pixels[420, 20:-20] == (90, 90, 90)).all()


# ---------------------------------------------------------------- errors

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """truth.h5 and a.cxi, which fit, and others that do not."""
    directory = tmp_path_factory.mktemp("files")
    events = [Event(FIRST, [Spot(0, 5, 5)]), Event(FIRST + 1)]
    write_truth(directory / "truth.h5", events)
    write_peaks(directory / "a.cxi", [(FIRST, [(5, 5)])])

    def truth_with(name, change):
        with h5py.File(write_truth(directory / name, events), "r+") as file:
            change(file)

    def without(path):
        return lambda file: file.pop(path)

    def with_values(path, values):
        def change(file):
            del file[path]
            file[path] = np.array(values)
        return change

    truth_with("no-images.h5", without("/data/data"))
    truth_with("no-snr.h5", without("/truth/reflections/snr"))
    truth_with("short.h5", with_values("/truth/is_hit", [1]))
    truth_with("frame.h5", with_values("/truth/reflections/frame", [2]))
    truth_with("panel.h5", with_values("/truth/reflections/panel", [0.5]))
    truth_with("twice.h5", with_values("/data/timestamp", [7, 7]))
    truth_with("float.h5", with_values("/data/timestamp", [7.0, 8.0]))
    truth_with("large.h5", lambda file: (
        file.pop("/truth/reflections/frame"),
        file.create_dataset("/truth/reflections/frame", (10**9,), "i4", chunks=(10**6,))))
    truth_with("flat.h5", with_values("/data/data", [1, 2]))
    with h5py.File(write_peaks(directory / "b.cxi", [(FIRST, [])]), "r+") as file:
        file[DATA] = np.zeros((1, 40, 30), "i2")
    with h5py.File(write_peaks(directory / "c.cxi", [(FIRST, [])]), "r+") as file:
        del file[STAMPS]
    write_peaks(directory / "d.cxi", [(FIRST + 9, [])])
    write_peaks(directory / "e_master.cxi", [(FIRST, [])])
    (directory / "text.h5").write_text("no HDF5")
    source = {"type": "file_source", "files": ["a.h5"]}
    for name, graph in {
            "good.yaml": graph_of(directory), "socket.yaml": chain(),
            "end.yaml": graph_of(directory, edges="source -> decode -> end",
                                 end={"type": "null_sink"}),
            "two.yaml": graph_of(directory, edges=["source, more -> decode -> cxi"], more=source),
            "wrong.yaml": graph_of(directory, infer={"engin": "threshold"})}.items():
        write_graph(directory, graph, name)
    return directory


@pytest.mark.parametrize("data, arguments, named", [
    ("none.h5", ["a.cxi"], ["none.h5"]),
    ("text.h5", ["a.cxi"], ["text.h5", "HDF5"]),
    ("a.cxi", ["a.cxi"], ["a.cxi", "/data/data"]),
    ("no-images.h5", ["a.cxi"], ["no-images.h5", "no dataset /data/data"]),
    ("no-snr.h5", ["a.cxi"], ["no dataset /truth/reflections/snr"]),
    ("short.h5", ["a.cxi"], ["/truth/is_hit is 1, expected 2"]),
    ("frame.h5", ["a.cxi"], ["/truth/reflections/frame has 2 in row 0, expected 0 to 1"]),
    ("panel.h5", ["a.cxi"], ["/truth/reflections/panel has 0.5 in row 0, expected 0 to 0"]),
    ("twice.h5", ["a.cxi"], ["/data/timestamp has 7 twice"]),
    ("float.h5", ["a.cxi"], ["/data/timestamp is float64, expected uint64"]),
    ("large.h5", ["a.cxi"], ["implausible size: /truth/reflections/frame"]),
    ("flat.h5", ["a.cxi"], ["/data/data is 2, expected"]),
    ("truth.h5", ["none.cxi"], ["none.cxi"]),
    ("truth.h5", ["truth.h5"], ["truth.h5", "nPeaks"]),
    ("truth.h5", ["a.cxi", "b.cxi"], ["b.cxi", "40x30", "20x30", "1 panels of 20x30"]),
    ("truth.h5", ["c.cxi"], ["c.cxi", "/LCLS/detector_1/timestamp"]),
    ("truth.h5", ["d.cxi"], ["no event", "truth.h5"]),
    ("truth.h5", ["e_master.cxi"], ["master"]),
    ("truth.h5", [], ["--graph or files"]),
    ("truth.h5", ["a.cxi", "--graph", "good.yaml"], ["--graph"]),
    ("truth.h5", ["a.cxi", "--set", "peaks.min_snr=1"], ["--set", "--graph"]),
    ("truth.h5", ["a.cxi", "--radius", "0"], ["--radius"]),
    ("truth.h5", ["--graph", "none.yaml"], ["none.yaml"]),
    ("truth.h5", ["--graph", "wrong.yaml"], ["unknown key 'engin'", "'engine'"]),
    ("truth.h5", ["--graph", "good.yaml", "--set", "peaks.x=1"], ["unknown key 'x'"]),
    ("truth.h5", ["--graph", "socket.yaml"],
     ["socket (zmq_source), cxi (cxi_writer)", "one source, a file_source"]),
    ("truth.h5", ["--graph", "end.yaml"], ["end (null_sink)", "one sink, a cxi_writer"]),
    ("truth.h5", ["--graph", "two.yaml"], ["more (file_source)", "one source, a file_source"]),
    ("none.h5", ["--graph", "good.yaml"], ["none.h5"]),
])
def test_what_cannot_be_scored_is_named(files, scratch, data, arguments, named):
    done = pnflow("evaluate", "--truth", data, *arguments, cwd=files)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not done.stdout
    for text in named:
        assert text in done.stderr


def test_a_chart_that_cannot_be_written_is_told_behind_the_table(files):
    done = pnflow("evaluate", "--truth", "truth.h5", "a.cxi", "--png", "none/a.png", cwd=files)
    assert done.returncode == 1
    assert "none/a.png" in done.stderr and "recall     1.0000" in done.stdout
