"""`pnflow push` against ZeroMQ readers in Python, and against pnflow itself."""

import io
import signal
import time

import h5py
import hdf5plugin  # noqa: F401  (registers bitshuffle)
import numpy as np
import pytest

from peers import Pull
from support import DATA, Process, Run, graph, message_files, messages, pnflow
from tar_records import START, write_record

FILES = str(DATA / "lclstreamer" / "hdf5_three_ranks" / "msg_*.bin")


def events_of(message: bytes) -> dict:
    with h5py.File(io.BytesIO(message)) as file:
        return {name: file[f"/data/{name}"][:] for name in ("data", "timestamp", "wavelength")}


def test_recorded_messages_arrive_byte_for_byte(tmp_path):
    with Pull() as pull, Process("push", "--connect", pull.endpoint, "--files", FILES) as push:
        assert pull.take() == messages("hdf5_three_ranks")
        assert push.wait() == 0
        size = sum(path.stat().st_size for path in message_files("hdf5_three_ranks"))
        assert f"9 messages, {size / 1e6:.1f} MB" in push.stdout


def test_messages_are_repeated_and_counted(tmp_path):
    batch = messages("hdf5_three_ranks")
    arguments = ["--files", FILES, "--loop", "3", "--count", "20"]
    with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
        assert pull.take() == (batch * 3)[:20]
        assert push.wait() == 0


def test_push_listens_for_a_pipeline_that_connects(tmp_path):
    arguments = ["push", "--bind", "tcp://127.0.0.1:*", "--files", FILES]
    with Process(*arguments) as push:
        endpoint = push.wait_for_line(r"bound (tcp://\S+)").group(1)
        with Pull(connect=endpoint) as pull:
            assert pull.take() == messages("hdf5_three_ranks")
        assert push.wait() == 0


def test_every_endpoint_gets_its_share_and_an_end_marker(tmp_path):
    with Pull() as first, Pull() as second:
        arguments = ["--connect", first.endpoint, "--connect", second.endpoint, "--files", FILES]
        with Process("push", *arguments) as push:
            taken = [first.take(), second.take()]
            assert push.wait() == 0
    assert sorted(taken[0] + taken[1]) == sorted(messages("hdf5_three_ranks"))
    assert {len(taken[0]), len(taken[1])} == {4, 5}


def test_without_end_no_end_marker_is_sent(tmp_path):
    with Pull() as pull:
        done = pnflow("push", "--connect", pull.endpoint, "--files", FILES, "--no-end")
        assert done.returncode == 0
        taken = [pull.socket.recv() for _ in range(9)]
        assert all(taken)
        assert not pull.socket.poll(200)


@pytest.mark.parametrize("compression", ["none", "gzip", "bitshuffle_lz4"])
def test_simulated_events_are_hdf5_messages_that_h5py_reads(tmp_path, compression):
    arguments = ["--sim", "--count", "7", "--events-per-message", "3", "--shape", "2x64x80",
                 "--dtype", "float32", "--peaks", "5", "--seed", "4", "--compression", compression]
    with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
        batches = [events_of(message) for message in pull.take()]
        assert push.wait() == 0
        assert "3 messages, 7 events" in push.stdout
    assert [len(batch["data"]) for batch in batches] == [3, 3, 1]
    images = np.concatenate([batch["data"] for batch in batches])
    assert images.shape == (7, 2, 64, 80) and images.dtype == np.float32
    assert images.max() > 100 and len({image.tobytes() for image in images}) == 7
    stamps = np.concatenate([batch["timestamp"] for batch in batches])
    assert stamps.dtype == np.uint64 and (np.diff(stamps.astype(np.int64)) > 0).all()
    assert np.all(np.concatenate([batch["wavelength"] for batch in batches]) > 1)


def test_the_same_seed_gives_the_same_messages(tmp_path):
    def simulate(seed):
        arguments = ["--sim", "--count", "2", "--shape", "64x64", "--seed", str(seed)]
        with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
            taken = pull.take()
            assert push.wait() == 0
            return taken

    assert simulate(1) == simulate(1) != simulate(2)


def test_rate_limits_messages_per_second(tmp_path):
    arguments = ["--files", FILES, "--loop", "3", "--rate", "50"]
    with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
        pull.socket.recv()
        start = time.monotonic()
        assert len(pull.take()) == 26
        assert 0.45 < time.monotonic() - start < 5
        assert push.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_sending_with_an_end_marker(tmp_path, number):
    arguments = ["--files", FILES, "--loop", "0", "--rate", "100"]
    with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
        pull.socket.recv()
        push.signal(number)
        pull.take()
        assert push.wait() == 0
        assert "interrupted" in push.stdout


def test_nobody_to_send_to_is_an_error(tmp_path):
    done = pnflow("push", "--connect", "tcp://127.0.0.1:9", "--files", FILES, "--timeout", "300 ms")
    assert done.returncode == 1
    assert "nobody is connected to tcp://127.0.0.1:9 for 300 ms" in done.stderr


def test_what_is_not_taken_in_time_is_an_error(tmp_path):
    # 6 messages of 8.6 MB: push's own queue takes them all, the reader's side not half of them.
    with Pull(queue=1) as pull:
        done = pnflow("push", "--connect", pull.endpoint, "--sim", "--shape", "16x352x384",
                      "--count", "12", "--events-per-message", "2", "--linger", "500 ms")
        assert done.returncode == 1
        assert "not all of that could be delivered within 500 ms" in done.stderr


@pytest.mark.parametrize("arguments, text", [
    (["--connect", "tcp://127.0.0.1:9", "--files", "/nowhere/*.bin"],
     "no file is called '/nowhere/*.bin'"),
    (["--connect", "tcp://127.0.0.1:9"], "--files or --sim must be given"),
    (["--sim"], "--connect or --bind must be given"),
    (["--connect", "tcp://127.0.0.1:9", "--sim", "--shape", "12"], "'12' is not a shape"),
    (["--connect", "tcp://127.0.0.1:9", "--sim", "--dtype", "int8"], "int8"),
])
def test_wrong_usage_is_named_with_exit_code_2(arguments, text):
    done = pnflow("push", *arguments)
    assert done.returncode == 2
    assert text in done.stdout + done.stderr


def test_push_feeds_a_pipeline(tmp_path):
    topology = graph({"socket": {"type": "zmq_source", "bind": ["tcp://127.0.0.1:*"]},
                      "decode": {"type": "decode"}, "end": {"type": "null_sink"}},
                     "socket -> decode -> end")
    with Run(tmp_path, topology) as run:
        endpoint = run.wait_running().endpoint()
        done = pnflow("push", "--connect", endpoint, "--sim", "--count", "100",
                      "--events-per-message", "4", "--shape", "128x128")
        assert done.returncode == 0, done.stderr
        report = run.finish()
    assert report["events"]["delivered"] == 100
    assert report["messages"]["decoded"] == 25


# ---------------------------------------------------------------- records

def test_a_record_is_sent_byte_for_byte_between_single_messages(tmp_path):
    batch = [b"a", bytes(512), bytes(range(256)) * 5, b"zz"]
    record = write_record(tmp_path / "a.tar", batch, [START + i for i in range(4)])
    (tmp_path / "one.bin").write_bytes(b"single")
    arguments = ["--files", record, "--files", tmp_path / "one.bin", "--loop", "2"]
    with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
        assert pull.take() == (batch + [b"single"]) * 2
        assert push.wait() == 0


def test_a_record_that_is_cut_off_is_sent_up_to_the_cut_with_a_warning(tmp_path):
    batch = [bytes([i]) * 5000 for i in range(3)]
    record = write_record(tmp_path / "a.tar", batch, [START] * 3)
    record.write_bytes(record.read_bytes()[:2 * (1536 + 5120) + 1536 + 100])
    with Pull() as pull, Process("push", "--connect", pull.endpoint, "--files", record) as push:
        assert pull.take() == batch[:2]
        assert push.wait() == 0
        assert "a.tar: message 2: 100 bytes of 5000; what stands in front of it is sent" in \
            push.output


def test_the_recorded_pace_is_kept_in_every_pass(tmp_path):
    gaps = [0, 0.3, 0.3, 0.7]  # seconds after the first
    arrivals = [START + 123_456_789 + int(gap * 1e9) for gap in gaps]
    record = write_record(tmp_path / "a.tar", [bytes([i]) for i in range(4)], arrivals)
    arguments = ["--files", record, "--pace", "recorded", "--loop", "2"]
    start = time.monotonic()
    with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
        times = []
        for number in range(8):
            assert pull.socket.recv() == bytes([number % 4])
            times.append(time.monotonic())
        assert pull.take() == []
        assert push.wait() == 0
    due = [*gaps, *(0.7 + gap for gap in gaps)]
    # The first message may come late on a busy machine, but none before its time after the start.
    assert all(now - start >= gap for now, gap in zip(times, due))
    assert times[-1] - times[0] < due[-1] + 2


def test_the_recorded_pace_needs_records(tmp_path):
    done = pnflow("push", "--connect", "tcp://127.0.0.1:9", "--files", FILES, "--pace", "recorded")
    assert done.returncode == 2
    assert "msg_0000.bin' is not a record" in done.stderr
    for arguments in (["--sim", "--pace", "recorded"],
                      ["--files", FILES, "--pace", "recorded", "--rate", "5"],
                      ["--files", FILES, "--pace", "slow"]):
        assert pnflow("push", "--connect", "tcp://127.0.0.1:9", *arguments).returncode == 2
    record = write_record(tmp_path / "a.tar", [b"a"], [START])
    done = pnflow("push", "--connect", "tcp://127.0.0.1:9", "--files", record, "--format", "npz")
    assert done.returncode == 2
    assert "a.tar' is a record, whose messages are sent as they are" in done.stderr


def test_an_empty_message_of_a_record_is_refused_as_it_would_be_an_end_marker(tmp_path):
    record = write_record(tmp_path / "a.tar", [b"a", b""], [START, START])
    done = pnflow("push", "--connect", "tcp://127.0.0.1:9", "--files", record)
    assert done.returncode == 2
    assert "message_0000000001.bin' is empty: that would be an end marker" in done.stderr
