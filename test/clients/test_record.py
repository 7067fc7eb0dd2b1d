"""Messages that a run records, read by Python's tarfile and played again by pnflow itself."""

import itertools
import resource
import subprocess
import time

import pytest

from peers import Pull, Push
from support import Process, Run, graph, messages, node, pnflow, total
from tar_records import read_record, records

SET = "hdf5_three_ranks"  # 21 events in 9 messages


def topology(**record) -> dict:
    return graph({"socket": {"type": "zmq_source", "bind": ["tcp://127.0.0.1:*"]},
                  "decode": {"type": "decode"}, "end": {"type": "null_sink"},
                  "record": {"type": "record", **record}},
                 ["socket -> decode -> end", "socket -> record"])


def recorded(place, batch: list[bytes], **record) -> dict:
    """The report of a run that has been sent these messages."""
    with Run(place, topology(**record)) as run:
        with Push(connect=run.wait_running().endpoint()) as push:
            push.send_all(batch)
            return run.finish()


def test_what_arrives_is_recorded_byte_for_byte_and_the_events_are_the_decoders(tmp_path):
    batch = messages(SET)
    broken = [b"no message at all", batch[0][:-100], b"\x00"]
    before = time.time_ns()
    report = recorded(tmp_path, batch[:4] + broken + batch[4:])
    after = time.time_ns()
    assert report["events"]["delivered"] == report["events"]["decoded"] == 21
    assert total(report["messages"]["unreadable"]) == 3
    [file] = records(tmp_path / "records")
    found, arrivals = read_record(file)
    assert found == batch[:4] + broken + batch[4:]
    assert arrivals == sorted(arrivals)
    assert before <= arrivals[0] and arrivals[-1] <= after
    assert not list((tmp_path / "records").glob("*.partial"))


def test_gnu_tar_unpacks_all_files_of_a_run_into_one_directory(tmp_path):
    batch = messages(SET)
    recorded(tmp_path, batch, max_file="40 kB", directory="r")
    files = records(tmp_path / "r")
    assert len(files) > 2
    assert all(file.stat().st_size <= 40_000 for file in files)
    for file in files:
        subprocess.run(["tar", "xf", file], cwd=tmp_path / "r", check=True)
    unpacked = sorted((tmp_path / "r").glob("message_*.bin"))
    assert [path.read_bytes() for path in unpacked] == batch
    assert [path.name for path in unpacked] == [f"message_{n:010}.bin" for n in range(len(batch))]


def test_a_record_is_played_again_into_a_run_that_records_the_same(tmp_path):
    batch = messages(SET)
    (tmp_path / "first").mkdir()
    recorded(tmp_path / "first", batch)
    with Run(tmp_path, topology()) as run:
        pushed = pnflow("push", "--connect", run.wait_running().endpoint(),
                        "--files", tmp_path / "first" / "records" / "*.tar")
        assert pushed.returncode == 0, pushed.stderr
        report = run.finish()
    assert report["events"]["delivered"] == 21
    [file] = records(tmp_path / "records")
    assert read_record(file)[0] == batch


def test_a_record_alone_takes_every_message_as_it_came(tmp_path):
    lonely = graph({"socket": {"type": "zmq_source", "bind": ["tcp://127.0.0.1:*"]},
                    "record": {"type": "record", "observer": False}}, "socket -> record")
    with Run(tmp_path, lonely) as run:
        with Push(connect=run.wait_running().endpoint()) as push:
            push.send_all([b"a", b"bc"])
            report = run.finish()
    assert report["messages"]["raw"] == 2
    assert read_record(records(tmp_path / "records")[0])[0] == [b"a", b"bc"]


def test_observers_alone_are_refused_and_told_the_way_out(tmp_path):
    (tmp_path / "graph.yaml").write_text("""
pnflow: 1
nodes:
  socket: { type: zmq_source, bind: "tcp://127.0.0.1:*" }
  record: { type: record }
edges: [socket -> record]
""")
    refused = pnflow("validate", tmp_path / "graph.yaml")
    assert refused.returncode == 2
    assert "nobody decides on the events" in refused.stderr
    assert "'observer: false' lets a sink decide" in refused.stderr


def test_a_killed_run_leaves_what_it_had_whole(tmp_path):
    batch = messages(SET)
    with Run(tmp_path, topology()) as run:
        with Push(connect=run.wait_running().endpoint()) as push:
            push.send_all(batch, end=False)
            deadline = time.monotonic() + 30
            whole = sum(1536 + -(-len(message) // 512) * 512 for message in batch)
            while whole > sum(path.stat().st_size for path in (tmp_path / "records").iterdir()):
                assert time.monotonic() < deadline, "not all is in the record after 30 s"
                time.sleep(0.02)
            run.process.kill()
            run.process.wait()
    [partial] = (tmp_path / "records").iterdir()
    assert partial.name.endswith(".tar.partial")
    with Pull() as pull, Process("push", "--connect", pull.endpoint, "--files", partial) as push:
        assert pull.take() == batch
        assert push.wait() == 0
        assert "truncated" in push.output and "message 9" in push.output


@pytest.mark.parametrize("on_error, status", [("stop", 1), ("skip", 0)])
def test_a_full_disk_is_a_loss_that_is_counted(tmp_path, on_error, status):
    """A file size limit stands in for the disk: the third message does not fit any file."""
    batch = [bytes([i]) * 3000 for i in range(3)]
    batch[2] = b"\x02" * 500_000
    with Run(tmp_path, topology(on_error=on_error)) as run:
        run.wait_running()
        resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))
        with Push(connect=run.endpoint()) as push:
            push.send_all(batch + batch[:1])
            report = run.finish(status)
    counts = node(report, "record")["counters"]
    assert counts["messages not recorded"] >= 1
    found = list(itertools.chain(*(read_record(file)[0] for file in records(tmp_path / "records"))))
    assert found[:2] == batch[:2] and batch[2] not in found
    if on_error == "skip":
        assert found == batch[:2] + batch[:1]
        assert counts["messages not recorded"] == 1


def test_a_directory_that_cannot_be_written_to_stops_the_run_before_it_begins(tmp_path):
    with Run(tmp_path, topology(directory="/proc/nowhere")) as run:
        assert run.wait() == 1
        assert "record: cannot write to directory /proc/nowhere" in run.output
