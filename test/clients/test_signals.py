"""SIGINT and SIGTERM at any moment: before the run has begun, in it, and twice."""

import random
import signal
import threading
import time

import pytest
import zmq

from chains import chain
from cxi import cxi_files, events_in_files
from peers import Push
from support import Process, Run, check_books, messages, write_graph

pytestmark = pytest.mark.sanitizer


class Stream:
    """Sends the same messages again and again from a thread, until it is left."""

    def __init__(self, endpoint: str, batch: list[bytes]):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._send, args=(endpoint, batch), daemon=True)

    def _send(self, endpoint, batch):
        with Push(endpoint, linger=0) as push:
            push.socket.setsockopt(zmq.SNDTIMEO, 100)
            while not self.ended.is_set():
                for message in batch:
                    try:
                        push.send(message)
                    except zmq.Again:
                        pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


@pytest.mark.parametrize("round", range(40))
def test_a_signal_in_the_run_drains_it(tmp_path, round):
    rng = random.Random(round)
    batch = messages("hdf5_three_ranks")
    with Run(tmp_path, chain(cxi={"events_per_file": 7}), "--quiet") as run:
        with Stream(run.wait_running().endpoint(), batch):
            time.sleep(rng.choice([0, rng.uniform(0, 0.05), rng.uniform(0, 0.8)]))
            run.signal(rng.choice([signal.SIGINT, signal.SIGTERM]))
            report = run.finish(status=0)
    assert events_in_files(tmp_path) == report["events"]["delivered"]
    assert not list((tmp_path / "out").glob("*.partial"))


@pytest.mark.parametrize("round", range(10))
def test_a_signal_before_the_run_leaves_no_file(tmp_path, round):
    delay = random.Random(round).uniform(0, 0.15)
    path = write_graph(tmp_path, chain())
    with Process("run", path, cwd=tmp_path) as run:
        time.sleep(delay)
        run.signal(signal.SIGINT)
        status = run.wait()
    if "running" in run.output:
        assert status == 0
    else:  # a signal before main() has begun ends the process as signals do
        assert status in (130, -signal.SIGINT)
    assert not cxi_files(tmp_path)


@pytest.mark.parametrize("round", range(5))
def test_a_second_signal_aborts_and_the_books_add_up(tmp_path, round):
    batch = messages("hdf5_three_ranks")
    topology = chain(slow={"type": "throttle", "delay": "500 ms"},
                     edges="socket -> decode -> q1 -> infer -> q2 -> peaks -> slow -> cxi")
    with Run(tmp_path, topology, "--quiet") as run:
        with Stream(run.wait_running().endpoint(), batch):
            time.sleep(0.3 + 0.1 * round)
            run.signal(signal.SIGINT)
            time.sleep(0.2)
            run.signal(signal.SIGTERM)
            report = run.finish(status=130, timeout=20)
    check_books(report)
    books = report["events"]["failed"], report["messages"]["unreadable"]
    assert sum(book.get("aborted", 0) for book in books) > 0
    assert events_in_files(tmp_path) == report["events"]["delivered"]
