"""Writing that fails, on a full disk or in a directory that vanishes: which events are lost, and
what is left of the files."""

import re
import resource
import shutil
import time

import numpy as np
import pytest

from chains import writer_behind_socket
from cxi import cxi_files, events_of
from peers import Push
from support import TIMEOUT, Run, hdf5_message, total

pytestmark = pytest.mark.sanitizer

EVENT_BYTES = 80_000  # of noise(), which no compression makes smaller
SMALL = EVENT_BYTES + 20_000
FIRST = 1_700_000_000 << 32  # the first time stamp


def noise(number) -> bytes:
    """Message `number` of four events each."""
    random = np.random.default_rng(number)
    stamps = np.arange(4 * number, 4 * number + 4, dtype=np.uint64) + FIRST
    return hdf5_message(random.integers(0, 1 << 16, (4, 200, 200)).astype(np.uint16),
                        timestamp=stamps)


def numbers_of_events(directory) -> list[int]:
    return [event.stamp - FIRST for event in events_of(*cxi_files(directory))]


def limit_file_size(run, size=resource.RLIM_INFINITY):
    """What a full disk does, for all files that the running pnflow writes."""
    resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_ends_the_run_and_loses_the_open_file_only(tmp_path):
    with Run(tmp_path, writer_behind_socket()) as run, Push(run.wait_running().endpoint()) as push:
        push.send(noise(0))
        run.wait_for_line(r"_00000\.cxi: 4 events")
        limit_file_size(run, SMALL)
        push.send(noise(1))
        report = run.finish(status=1)
    assert (report["events"]["delivered"], report["events"]["failed"]) == (4, {"write": 4})
    assert re.search(r"cxi: message 1 of 'socket': .*_00001\.cxi\.partial: .*File too large",
                     report["error"])
    [path] = cxi_files(tmp_path)
    assert numbers_of_events(tmp_path) == [0, 1, 2, 3]
    assert (tmp_path / "out" / f"{report['run']}.lst").read_text() == f"{path}\n"
    [partial] = (tmp_path / "out").glob("*.partial")
    assert partial.name == f"{report['run']}_00001.cxi.partial"


def test_on_error_skip_goes_on_when_the_disk_has_room_again(tmp_path):
    topology = writer_behind_socket({"on_error": "skip"})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        push.send(noise(0))
        run.wait_for_line(r"_00000\.cxi: 4 events")
        limit_file_size(run, SMALL)
        push.send(noise(1))
        run.wait_for_line(r"error.*File too large")
        limit_file_size(run)
        push.send(noise(2))
        push.end()
        report = run.finish()
    assert (report["events"]["delivered"], report["events"]["failed"]) == (8, {"write": 4})
    assert numbers_of_events(tmp_path) == [0, 1, 2, 3, 8, 9, 10, 11]


@pytest.mark.parametrize("on_error, status", [("stop", 1), ("skip", 0)])
def test_a_disk_that_is_full_in_the_end_fails_the_last_file(tmp_path, on_error, status):
    # The second message is half in the first file, and delivered, and half in the last one.
    topology = writer_behind_socket({"on_error": on_error, "events_per_file": 6})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        push.send(noise(0))
        push.send(noise(1))
        run.wait_for_line(r"_00000\.cxi: 6 events")
        deadline = time.monotonic() + TIMEOUT
        while not any(path.stat().st_size > 2 * EVENT_BYTES
                      for path in (tmp_path / "out").glob("*_00001.cxi.partial")):
            assert time.monotonic() < deadline, run.output
            time.sleep(0.01)
        limit_file_size(run, SMALL)
        push.end()
        report = run.finish(status)
    assert (report["events"]["delivered"], report["events"]["failed"]) == (6, {"write": 2})
    assert "File too large" in run.output
    assert numbers_of_events(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_a_directory_that_vanishes_fails_events_until_it_is_back(tmp_path):
    out, away = tmp_path / "out", tmp_path / "away"
    topology = writer_behind_socket({"on_error": "skip"})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        push.send(noise(0))
        run.wait_for_line(r"_00000\.cxi: 4 events")
        out.rename(away)
        push.send(noise(1))
        run.wait_for_line(r"error.*cannot create the file: No such file or directory")
        away.rename(out)
        push.send(noise(2))
        push.end()
        report = run.finish()
    assert (report["events"]["delivered"], report["events"]["failed"]) == (8, {"write": 4})
    assert numbers_of_events(tmp_path) == [0, 1, 2, 3, 8, 9, 10, 11]


@pytest.mark.parametrize("observer", [False, True])
def test_of_two_sinks_one_that_fails_decides_unless_it_only_observes(tmp_path, observer):
    failing = {"type": "cxi_writer", "directory": "gone", "on_error": "skip", "observer": observer}
    topology = writer_behind_socket(failing=failing,
                                    edges=["socket -> decode -> cxi", "decode -> failing"])
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        shutil.rmtree(tmp_path / "gone")
        push.send_all([noise(0)])
        report = run.finish()
    assert numbers_of_events(tmp_path) == [0, 1, 2, 3]
    assert total(report["events"]["failed"]) == (0 if observer else 4)
    assert report["events"]["delivered"] == (4 if observer else 0)
    assert any("failing" in line and "No such file or directory" in line for line in run.lines)


@pytest.mark.parametrize("directory", ["a file", "a file/below"])
def test_a_directory_that_cannot_be_ends_the_run_before_it_begins(tmp_path, directory):
    (tmp_path / "a file").write_text("of the user's")
    with Run(tmp_path, writer_behind_socket({"directory": directory})) as run:
        assert run.wait() == 1, run.output
    assert re.search(f"cxi: cannot write to directory .*{directory}.*: Not a directory", run.output)
    assert "running" not in run.output and "bound" not in run.output
    assert not run.report_file.exists()
    assert (tmp_path / "a file").read_text() == "of the user's"
