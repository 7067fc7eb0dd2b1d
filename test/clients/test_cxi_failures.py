"""Writing that fails, on a full disk or in a directory that vanishes: which events are lost, and
what is left of the files."""

import os
import re
import resource
import shutil
import subprocess
import time

import numpy as np
import pytest

from chains import writer_behind_socket
from cxi import cxi_files, events_of
from peers import Push
from support import TIMEOUT, Run, hdf5_message, pnflow, total, write_graph

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


def send_until_full(run, push):
    """A message whose file is closed, and one that finds no room."""
    push.send(noise(0))
    run.wait_for_line(r"_00000\.cxi: 4 events")
    limit_file_size(run, SMALL)
    push.send(noise(1))


def test_a_full_disk_ends_the_run_and_loses_the_open_file_only(tmp_path):
    with Run(tmp_path, writer_behind_socket()) as run, Push(run.wait_running().endpoint()) as push:
        send_until_full(run, push)
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
        send_until_full(run, push)
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


def test_on_error_wait_goes_on_when_the_disk_has_room_again(tmp_path):
    topology = writer_behind_socket({"on_error": "wait"})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        send_until_full(run, push)
        run.wait_for_line(r"warn.*_00001\.cxi\.partial: .*File too large: waiting")
        push.send(noise(2))
        time.sleep(1)  # several attempts
        limit_file_size(run)
        run.wait_for_line("going on")
        push.end()
        report = run.finish()
    assert (report["events"]["delivered"], total(report["events"]["failed"])) == (12, 0)
    assert numbers_of_events(tmp_path) == list(range(12))
    assert run.output.count("waiting until") == 1 and run.output.count("going on") == 1


def test_waiting_for_a_disk_ends_with_the_second_signal(tmp_path):
    topology = writer_behind_socket({"on_error": "wait"})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        send_until_full(run, push)
        run.wait_for_line("waiting until")
        run.signal()
        run.wait_for_line("stopping: what has been received")
        assert run.process.poll() is None
        run.signal()
        report = run.finish(status=130)
    assert report["events"]["delivered"] == 4
    assert total(report["events"]["failed"]) == 4
    assert numbers_of_events(tmp_path) == [0, 1, 2, 3]


def test_on_error_wait_is_for_nodes_that_can(tmp_path):
    graph = write_graph(tmp_path, writer_behind_socket(decode={"on_error": "wait"}))
    done = pnflow("validate", graph)
    assert done.returncode == 2
    assert "has nothing to wait for: 'on_error: wait' is for writers of files" in done.stderr


def full_disk(tmp_path):
    """A file system of 400 kB that a test may fill, or a reason to skip."""
    out = tmp_path / "out"
    out.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", out],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    return out


@pytest.mark.parametrize("on_error", ["stop", "wait"])
def test_a_file_system_without_room(tmp_path, on_error):
    out = full_disk(tmp_path)
    try:
        topology = writer_behind_socket({"on_error": on_error, "events_per_file": 2})
        with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
            push.send(noise(0))
            push.send(noise(1))  # 640 kB by now
            run.wait_for_line("No space left on device")
            if on_error == "stop":
                report = run.finish(status=1)
                assert "No space left on device" in report["error"]
            else:
                subprocess.run(["mount", "-o", "remount,size=4m", out], check=True)
                push.end()
                report = run.finish()
        delivered = numbers_of_events(tmp_path)
        assert len(delivered) == report["events"]["delivered"]
        # Whole files; the second one may find room where the first one, closing beside it, does not.
        assert delivered == [n for n in range(8) if n // 2 * 2 in delivered]
        assert len(delivered) + total(report["events"]["failed"]) == 8
        assert (len(delivered) == 8) == (on_error == "wait")
        assert set(report["events"]["failed"]) <= {"write"}
    finally:
        subprocess.run(["umount", out], check=True)


def test_a_directory_that_may_not_be_written_to_ends_the_run_before_it_begins(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "out").mkdir(mode=0o500)
    with Run(tmp_path, writer_behind_socket()) as run:
        assert run.wait() == 1, run.output
    assert re.search("cxi: cannot write to directory .*out: Permission denied", run.output)


@pytest.mark.parametrize("on_error", ["stop", "wait"])
def test_a_file_system_that_becomes_read_only(tmp_path, on_error):
    out = full_disk(tmp_path)
    try:
        topology = writer_behind_socket({"on_error": on_error, "events_per_file": 2})
        with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
            push.send(hdf5_message(np.ones((2, 8, 8), np.uint16)))
            run.wait_for_line(r"_00000\.cxi: 2 events")
            subprocess.run(["mount", "-o", "remount,ro", out], check=True)
            push.send(hdf5_message(np.ones((2, 8, 8), np.uint16)))
            run.wait_for_line("cannot create the file: Read-only file system")
            if on_error == "stop":
                report = run.finish(status=1)
            else:
                subprocess.run(["mount", "-o", "remount,rw", out], check=True)
                push.end()
                report = run.finish()
        assert report["events"]["delivered"] == (4 if on_error == "wait" else 2)
        assert report["events"]["failed"] == ({} if on_error == "wait" else {"write": 2})
    finally:
        subprocess.run(["umount", out], check=True)


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
