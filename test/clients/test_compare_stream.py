"""`pnflow compare-stream`: streams and CXI files with known positions, so that every number of the
answer is known; and files of pnflow's own run, compared with their own peaks."""

from __future__ import annotations

import json
import math
import os
import subprocess

import cv2
import h5py
import numpy as np
import pytest

from chains import IN_ORDER, SHAPE, simulated
from cxi import DATA, RESULTS, cxi_files, events_of
from pictures import CIRCLE, pixels_of
from streams import Reflection, chunk, head
from support import binary, finished, pnflow

HEIGHT, WIDTH = 40, 60
SQUARE = (0, 255, 255)


def write_cxi(path, events, panels=1):
    """Peaks (x, y) of each event, 0-based pixel centres."""
    longest = max(1, *map(len, events))
    columns = np.zeros((2, len(events), longest), "f4")
    for number, peaks in enumerate(events):
        columns[:, number, :len(peaks)] = np.reshape(peaks, (-1, 2)).T
    with h5py.File(path, "w") as file:
        rng = np.random.default_rng(1)
        file.create_dataset(DATA, chunks=(1, panels * HEIGHT, WIDTH), data=rng.poisson(
            10, (len(events), panels * HEIGHT, WIDTH)).astype("u2"))
        file[RESULTS + "nPeaks"] = np.array([len(peaks) for peaks in events], "i4")
        file[RESULTS + "peakXPosRaw"], file[RESULTS + "peakYPosRaw"] = columns
        file[RESULTS + "peakTotalIntensity"] = columns[0]
    return path


def write_stream(path, *chunks, panels=1):
    path.write_text(head(HEIGHT, WIDTH, panels) + "".join(chunks))
    return path


def compare(*arguments, status=0) -> dict:
    done = pnflow("compare-stream", "--json", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def refl(x, y, dx=0.0, dy=0.0, **others):
    """The reflection that is in the middle of pixel (x, y), or off it."""
    return Reflection(x + 0.5 + dx, y + 0.5 + dy, **others)


# ---------------------------------------------------------------- positions

def test_half_a_pixel_lies_between_a_cxi_file_and_a_stream(tmp_path):
    """A spot in the middle of pixel (column 5, row 3) is (5, 3) in CXI and (5.5, 3.5) for
    CrystFEL. Anything else would show as an offset."""
    cxi = write_cxi(tmp_path / "a.cxi", [[(5, 3), (20, 30)]])
    stream = write_stream(tmp_path / "a.stream", chunk(
        cxi, 0, [[Reflection(5.5, 3.5), Reflection(20.5, 30.5)]], [(5.5, 3.5, "p0")]))
    counts = compare(cxi, stream)["indexed"]
    assert (counts["recall"], counts["precision"]) == (1, 1)
    assert counts["offset"] == {"peaks": 2, "mean_x": 0, "mean_y": 0, "rms_x": 0, "rms_y": 0}
    # One that forgets the half pixel is seen.
    wrong = write_stream(tmp_path / "b.stream",
                         chunk(cxi, 0, [[Reflection(5, 3), Reflection(20, 30)]]))
    offset = compare(cxi, wrong)["indexed"]["offset"]
    assert (offset["mean_x"], offset["mean_y"]) == (0.5, 0.5)


def test_recall_precision_and_offsets_are_those_that_went_in(tmp_path):
    # Four peaks: two with reflections at known offsets, one too far from its own, one alone.
    cxi = write_cxi(tmp_path / "a.cxi", [[(10, 10), (30, 10), (10, 30), (50, 35)]])
    stream = write_stream(tmp_path / "a.stream", chunk(cxi, 0, [
        [refl(10, 10, dx=1, dy=-0.5), refl(30, 10, dx=-0.5, dy=2), refl(10, 30, dx=3.1)],
        # A second crystal: the farther reflection of a peak is found and gives no offset.
        [refl(10, 10, dx=2, dy=2), refl(40, 20)]]))
    found = compare(cxi, stream)
    counts = found["indexed"]
    assert (counts["events"], counts["crystals"]) == (1, 2)
    assert (counts["found"], counts["reflections"], counts["recall"]) == (3, 5, 3 / 5)
    assert (counts["explained"], counts["peaks"], counts["precision"]) == (2, 4, 2 / 4)
    dx, dy = np.array([-1, 0.5]), np.array([0.5, -2])  # peak minus reflection
    offset = counts["offset"]
    assert offset["peaks"] == 2
    assert offset["mean_x"] == pytest.approx(dx.mean())
    assert offset["mean_y"] == pytest.approx(dy.mean())
    assert offset["rms_x"] == pytest.approx(math.sqrt((dx**2).mean()))
    assert offset["rms_y"] == pytest.approx(math.sqrt((dy**2).mean()))
    assert found["radius"] == 3
    # A larger radius takes in the one that was too far; a smaller one leaves out more.
    assert compare(cxi, stream, "--radius", 3.2)["indexed"]["found"] == 4
    assert compare(cxi, stream, "--radius", 1.2)["indexed"]["found"] == 1
    text = pnflow("compare-stream", cxi, stream).stdout
    assert "recall     60.0%: of 5 reflections, 3 have a peak" in text
    assert "precision  50.0%: of 4 peaks, 2 have a reflection" in text
    assert "x mean -0.250, RMS 0.791; y mean -0.750, RMS 1.458 pixels" in text


def test_weak_reflections_can_be_left_out_of_the_recall(tmp_path):
    cxi = write_cxi(tmp_path / "a.cxi", [[(10, 10), (30, 10)]])
    nan = float("nan")
    stream = write_stream(tmp_path / "a.stream", chunk(cxi, 0, [[
        refl(10, 10, intensity=50, sigma=10), refl(30, 10, intensity=49, sigma=10),
        refl(40, 30, intensity=-5), refl(5, 30, sigma=nan)]]))
    counts = compare(cxi, stream)["indexed"]
    assert (counts["found"], counts["reflections"], counts["weak"]) == (2, 4, 0)
    counts = compare(cxi, stream, "--min-snr", 5)["indexed"]
    assert (counts["found"], counts["reflections"], counts["weak"]) == (1, 1, 3)
    assert counts["precision"] == 1  # a weak reflection explains a peak


def test_a_peak_and_a_reflection_of_another_panel_are_never_near(tmp_path):
    cxi = write_cxi(tmp_path / "a.cxi", [[(10, HEIGHT - 1), (30, HEIGHT)]], panels=2)
    stream = write_stream(tmp_path / "a.stream", chunk(cxi, 0, [[
        refl(10, HEIGHT, panel="p1"),       # a row below the peak, on the next panel
        refl(30, HEIGHT, panel="p1"),
        refl(20, HEIGHT + 5, panel="p0"),   # says a panel that is elsewhere
        Reflection(-3, 5), Reflection(float("nan"), 5),
        # The last edge of the panel, as one decimal shows 39.97: still on it.
        Reflection(50, HEIGHT, panel="p0")]]), panels=2)
    counts = compare(cxi, stream)["indexed"]
    assert (counts["found"], counts["reflections"], counts["off_panel"]) == (1, 3, 3)
    assert counts["explained"] == 1


# ---------------------------------------------------------------- which events

def test_events_and_chunks_without_their_other_half_are_counted(tmp_path):
    a = write_cxi(tmp_path / "a.cxi", [[(10, 10)], [(10, 10), (20, 20)], []])
    b = write_cxi(tmp_path / "b.cxi", [[(30, 30)], [(5, 5)]])
    stream = write_stream(
        tmp_path / "a.stream",
        chunk(a, 1, [[refl(10, 10)]]), chunk("/elsewhere/b.cxi", 0, [[refl(30, 30)]]),
        chunk("c.cxi", 4), chunk(a, 3), chunk(a, 0), chunk(b, 0, [[refl(1, 1)]]),
        chunk(a, 2, [[refl(3, 3)]]))
    found = compare(a, b, stream, "--events")
    assert found["events"] == {"all": 5, "with_chunk": 4, "without_chunk": 1}
    assert found["chunks"] == {"all": 7, "hits": 4, "indexed": 4, "crystals": 4, "elsewhere": 2,
                               "first_elsewhere": "c.cxi //4", "repeated": 1,
                               "unreadable": 0, "first_unreadable": None}
    assert [(each["event"], each["index"], each["indexed"], each["peaks"], each["found"])
            for each in found["each"]] == [(1, 1, True, 2, 1), (3, 0, True, 1, 1),
                                           (0, 0, False, 1, 0), (2, 2, True, 0, 0)]
    counts = found["indexed"]
    # Peaks of an event that was not indexed are neither right nor wrong.
    assert (counts["events"], counts["peaks"], counts["explained"]) == (3, 3, 2)
    assert (counts["found"], counts["reflections"]) == (2, 3)
    assert (counts["peaks_per_event"], counts["reflections_per_event"]) == (1, 1)
    assert (found["all"]["events"], found["all"]["peaks"]) == (4, 4)
    text = pnflow("compare-stream", a, b, stream, "--events").stdout
    assert "2 of images in none of the files, the first c.cxi //4" in text
    assert "5 in 2 CXI files; 4 have a chunk, 1 have none" in text
    assert sum(f"{a} //" in line or f"{b} //" in line for line in text.splitlines()) == 4


def test_of_two_files_with_one_name_the_path_decides(tmp_path):
    paths = []
    for name, y in [("one", 10), ("two", 20)]:
        (tmp_path / name).mkdir()
        paths.append(write_cxi(tmp_path / name / "a.cxi", [[(10, y)]]))
    stream = write_stream(tmp_path / "a.stream", chunk(paths[1], 0, [[refl(10, 20)]]),
                          chunk("/elsewhere/a.cxi", 0, [[refl(10, 20)]]))
    found = compare(*paths, stream)
    assert (found["indexed"]["recall"], found["chunks"]["elsewhere"]) == (1, 1)
    # A path from here is one as well.
    relative = write_stream(tmp_path / "b.stream", chunk("two/a.cxi", 0, [[refl(10, 20)]]))
    done = pnflow("compare-stream", "--json", "one/a.cxi", tmp_path / "two" / "a.cxi", relative,
                  cwd=tmp_path)
    assert json.loads(done.stdout)["indexed"]["recall"] == 1


def test_more_files_than_are_open_at_a_time_may_come_in_any_order(tmp_path):
    files = [write_cxi(tmp_path / f"{i}.cxi", [[(i, 10)], [(i, 20)]]) for i in range(20)]
    order = np.random.default_rng(1).permutation(40)
    stream = write_stream(tmp_path / "a.stream", *(
        chunk(files[i // 2], i % 2, [[refl(int(i // 2), 10 * (1 + i % 2))]]) for i in order))
    found = compare(*files, stream, "--radius", 0.5)
    assert (found["indexed"]["found"], found["indexed"]["explained"]) == (40, 40)
    assert found["events"] == {"all": 40, "with_chunk": 40, "without_chunk": 0}


def test_nothing_in_common_is_an_error(tmp_path):
    cxi = write_cxi(tmp_path / "a.cxi", [[(10, 10)]])
    stream = write_stream(tmp_path / "a.stream", chunk("b.cxi", 0, [[refl(10, 10)]]))
    done = pnflow("compare-stream", cxi, stream)
    assert done.returncode == 2 and "of an event of these files" in done.stderr
    found = compare(cxi, stream, status=2)["indexed"]
    assert found["recall"] is None and found["offset"]["rms_x"] is None


def test_peaks_of_a_run_compared_with_themselves_agree(tmp_path):
    finished(tmp_path, simulated({"count": 10}, cxi={"events_per_file": 4, **IN_ORDER}))
    files = cxi_files(tmp_path)
    panels, height, width = SHAPE
    chunks, peaks = [], 0
    for path in files:
        for index, event in enumerate(events_of(path)):
            # The stream's one decimal: multiples of 0.1 are what can be compared exactly.
            chunks.append(chunk(f"/gpfs/{path.name}", index, [[
                refl(x, y, panel=f"p{panel}") for x, y, panel in zip(event.x, event.y, event.panel)
            ]]))
            peaks += len(event.x)
    stream = tmp_path / "a.stream"
    stream.write_text(head(height, width, panels) + "".join(chunks))
    found = compare(*files, stream)
    counts = found["indexed"]
    assert found["events"] == {"all": 10, "with_chunk": 10, "without_chunk": 0}
    assert counts["peaks"] == counts["reflections"] == peaks > 50
    assert (counts["recall"], counts["precision"], counts["off_panel"]) == (1, 1, 0)
    offset = counts["offset"]
    assert max(offset["rms_x"], offset["rms_y"]) < 0.05
    assert max(abs(offset["mean_x"]), abs(offset["mean_y"])) < 0.02


# ---------------------------------------------------------------- damage

def test_of_a_cut_stream_what_came_before_is_used(tmp_path):
    cxi = write_cxi(tmp_path / "a.cxi", [[(10, 10)], [(20, 20)]])
    stream = write_stream(tmp_path / "a.stream", chunk(cxi, 0, [[refl(10, 10)]]),
                          chunk(cxi, 1, [[refl(20, 20)]]))
    text = stream.read_text()
    stream.write_text(text[:text.rindex("End of reflections")])
    found = compare(cxi, stream, status=1)
    assert (found["indexed"]["events"], found["indexed"]["recall"]) == (1, 1)
    line = text[:text.rindex("End of reflections")].count("\n")
    assert found["damage"] == [
        f"truncated: line {line}: the stream ends within a list of reflections"]
    done = pnflow("compare-stream", cxi, stream)
    assert done.returncode == 1 and f"damage     truncated: line {line}: " in done.stdout


def test_chunks_behind_damage_count(tmp_path):
    cxi = write_cxi(tmp_path / "a.cxi", [[(10, 10)], [(20, 20)]])
    stream = write_stream(tmp_path / "a.stream",
                          chunk(cxi, 0, [[refl(10, 10)]]).replace("1000.00", "1000.0O"),
                          chunk(cxi, 1, [[refl(20, 20)]]))
    found = compare(cxi, stream, status=1)
    assert (found["indexed"]["events"], found["damaged"]) == (1, 1)
    assert "'1000.0O' is no number" in found["damage"][0]


@pytest.mark.parametrize("arguments, named", [
    (["a.cxi", "nowhere.stream"], "nowhere.stream"),
    (["nowhere.cxi", "a.stream"], "nowhere.cxi"),
    (["a.stream", "a.cxi"], "a.stream"),
    (["a.cxi", "a.cxi"], "not a CrystFEL stream"),
    (["a.cxi", "a.stream", "--png", "a.png", "--event", "1"], "there is no event 1"),
    (["a.stream"], "--help"),
    (["a.cxi", "a.stream", "--radius", "0"], "--radius"),
    (["a.cxi", "a.stream", "--event", "0"], "--png"),
])
def test_what_cannot_be_read_is_named_with_exit_code_2(tmp_path, arguments, named):
    write_cxi(tmp_path / "a.cxi", [[(10, 10)]])
    write_stream(tmp_path / "a.stream", chunk("a.cxi", 0, [[refl(10, 10)]]))
    done = pnflow("compare-stream", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert named in done.stderr


# ---------------------------------------------------------------- picture, size

def test_an_event_is_drawn_with_peaks_in_circles_and_reflections_in_squares(tmp_path):
    cxi = write_cxi(tmp_path / "a.cxi", [[], [(15, 20)]])
    stream = write_stream(tmp_path / "a.stream", chunk(cxi, 0, [[refl(5, 5)]]),
                          chunk(cxi, 1, [[refl(45, 20), Reflection(-9, 5)]]))
    png = tmp_path / "a.png"
    picture = compare(cxi, stream, "--png", png, "--event", 1)["picture"]
    assert (picture["event"], picture["peaks"], picture["reflections"]) == (1, 1, 1)
    pixels = cv2.imread(str(png))[:, :, ::-1]
    scale = picture["scale"]
    assert pixels.shape[:2] == (HEIGHT * scale, WIDTH * scale)
    for colour, x, y in [(CIRCLE, 15, 20), (SQUARE, 45, 20)]:
        rows, columns = np.nonzero(pixels_of(pixels, colour))
        assert columns.min() + columns.max() == pytest.approx(2 * (x + 0.5) * scale - 1, abs=1)
        assert rows.min() + rows.max() == pytest.approx(2 * (y + 0.5) * scale - 1, abs=1)


def test_a_long_stream_takes_no_more_memory_than_a_short_one(tmp_path):
    cxi = write_cxi(tmp_path / "a.cxi", [[(x, 20) for x in range(5, 55, 5)]] * 400)
    one = [[refl(x % WIDTH, x // WIDTH, dx=0.1) for x in range(700)]]
    chunks = [chunk(cxi, event, one, serial=event) for event in range(400)]
    long = write_stream(tmp_path / "long.stream", *chunks)
    short = write_stream(tmp_path / "short.stream", *chunks[:10])
    assert long.stat().st_size > 20_000_000

    def peak_memory(stream):
        process = subprocess.Popen([str(binary()), "compare-stream", str(cxi), str(stream)],
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        return usage.ru_maxrss * 1024

    assert peak_memory(long) < peak_memory(short) + 4_000_000
