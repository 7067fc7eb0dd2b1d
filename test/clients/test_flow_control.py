"""Limiters, the window and throttles seen from outside: what is alive is bounded, all credits come
back, and order is kept where it is asked for."""

import h5py
import numpy as np
import pytest

from chains import chain, simulated
from cxi import STAMPS, cxi_files
from peers import Push
from support import Run, finished, hdf5_message, node, pnflow, total, write_graph

pytestmark = pytest.mark.sanitizer


def line(edges, source=None, **changes) -> dict:
    """40 simulated messages of two events to a sink that takes everything."""
    source = {"shape": [8, 9], "count": 80, "events_per_message": 2, **(source or {})}
    return simulated(source, edges, end={"type": "null_sink"}, **changes)


# ---------------------------------------------------------------- throttle

@pytest.mark.parametrize("throttle, least", [
    ({"delay": "10 ms"}, 40 * 0.01),
    ({"rate": "100 Hz"}, 39 * 0.01),  # the first message need not wait
    ({"delay": "1 ms", "rate": "100 Hz"}, 39 * 0.01),
], ids=["delay", "rate", "both"])
def test_a_throttle_holds_messages_back(tmp_path, throttle, least):
    report = finished(tmp_path, line("source -> slow -> end",
                                     slow={"type": "throttle", **throttle}))
    assert report["events"]["delivered"] == 80
    assert least <= report["wall_s"] < 10 * least


def test_a_throttle_without_delay_and_rate_is_refused(tmp_path):
    path = write_graph(tmp_path, line("source -> slow -> end", slow={"type": "throttle"}))
    done = pnflow("run", path)
    assert done.returncode == 2
    assert "'delay' or 'rate' must be given" in done.stderr


# ---------------------------------------------------------------- window and limiter

@pytest.mark.parametrize("window", [1, 2, 7])
def test_the_window_is_filled_before_a_slow_stage_and_never_exceeded(tmp_path, window):
    report = finished(tmp_path, line("source -> slow -> end", window=window,
                                     slow={"type": "throttle", "delay": "3 ms"}))
    assert report["events"]["delivered"] == 80
    assert report["max_live_messages"] == report["window"] == window


@pytest.mark.parametrize("window, capacity", [(2, 1), (7, 1), (7, 3), (7, 6)])
def test_what_a_limiter_does_not_admit_waits_in_front_of_it(tmp_path, window, capacity):
    report = finished(tmp_path, line("source -> q -> slow -> end", window=window,
                                     q={"type": "limiter", "capacity": capacity},
                                     slow={"type": "throttle", "delay": "3 ms"}))
    assert report["events"]["delivered"] == 80
    assert report["max_live_messages"] == window
    q = node(report, "q")
    assert (q["capacity"], q["messages"]) == (capacity, 40)
    assert window - capacity <= q["queue_peak"] <= window


def test_without_a_window_it_follows_from_the_limiters(tmp_path):
    report = finished(tmp_path, line("source -> q1 -> slow -> q2 -> end",
                                     q1={"type": "limiter", "capacity": 3},
                                     q2={"type": "limiter", "capacity": 2},
                                     slow={"type": "throttle", "delay": "3 ms"}))
    assert report["window"] == 3 + 2 + 2  # two beside what the limiters admit
    assert report["max_live_messages"] <= 7


def test_a_limiter_admits_as_many_as_its_capacity(tmp_path):
    topology = line("source -> q -> stuck -> end", window=5, stall_report="200 ms",
                    q={"type": "limiter", "capacity": 3},
                    stuck={"type": "throttle", "delay": "1 h"})
    with Run(tmp_path, topology) as run:
        run.wait_for_line(r"nothing has retired .*; 5 messages alive of 5")
        run.wait_for_line(r"^ +q .* 2 waiting, 3 of 3 credits out")
        run.signal()
        run.wait_for_line("stopping")
        run.signal()
        report = run.finish(status=130)
    assert (report["events"]["decoded"], report["events"]["failed"]) == (10, {"aborted": 10})


def test_limiters_of_one_let_everything_through_whatever_becomes_of_its_events(tmp_path):
    topology = line(
        ["source -> q1 -> infer -> q2 -> peaks -> end", "peaks -> q3 -> slow -> eye"], window=4,
        source={"shape": [60, 70], "peaks": [0, 12], "count": 120},
        infer={"type": "infer", "engine": "threshold"},
        peaks={"type": "find_peaks", "min_num_peak": 9, "workers": 3},
        slow={"type": "throttle", "delay": "1 ms"},
        eye={"type": "null_sink", "observer": True},
        **{q: {"type": "limiter", "capacity": 1} for q in ("q1", "q2", "q3")})
    report = finished(tmp_path, topology)
    events = report["events"]
    assert events["decoded"] == 120 and 0 < total(events["vetoed"]) < 120
    assert report["max_live_messages"] <= 4
    assert [node(report, name)["messages"] for name in ("q1", "q2", "q3", "end", "eye")] == [60] * 5


# ---------------------------------------------------------------- order

def test_an_ordered_writer_writes_in_the_order_of_sending(tmp_path):
    # Large and small messages in turn: with three workers the small ones overtake.
    sizes = [24, 1, 1, 8, 1] * 16
    ends = np.cumsum(sizes)
    stamps = np.arange(1 << 40, (1 << 40) + int(ends[-1]), dtype=np.uint64)
    image = np.arange(90 * 90, dtype=np.uint16).reshape(1, 90, 90) % 20
    sent = [hdf5_message(image.repeat(size, axis=0), compression="gzip",
                         timestamp=stamps[end - size:end]) for size, end in zip(sizes, ends)]
    topology = chain(decode={"workers": 3}, peaks={"workers": 3}, threads=4,
                     cxi={"ordered": True, "workers": 1, "events_per_file": 100})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        push.send_all(sent)
        report = run.finish()
    assert report["events"]["delivered"] == len(stamps)
    written = []
    for path in cxi_files(tmp_path):
        with h5py.File(path) as file:
            written += file[STAMPS][:].tolist()
    assert written == stamps.tolist()
