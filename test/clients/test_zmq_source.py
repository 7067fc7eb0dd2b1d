"""pnflow's socket against ZeroMQ producers in Python: how messages come in and how a run ends."""

import signal
import threading
import time

import psutil
import pytest
import zmq

from peers import Push
from support import Run, graph, messages, total

BATCH = messages("hdf5_three_ranks")


def source(socket=None, throttle=None, **top) -> dict:
    """zmq_source -> decode -> null_sink on a free port, perhaps with a slow stage."""
    nodes = {
        "socket": {"type": "zmq_source", "bind": ["tcp://127.0.0.1:*"], **(socket or {})},
        "decode": {"type": "decode"},
        "end": {"type": "null_sink"},
    }
    if throttle is None:
        return graph(nodes, "socket -> decode -> end", **top)
    nodes["slow"] = {"type": "throttle", **throttle}
    return graph(nodes, "socket -> decode -> slow -> end", **top)


def received(report) -> int:
    return report["messages"]["received"]


def test_pnflow_binds_and_producers_connect(tmp_path):
    with Run(tmp_path, source()) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(BATCH)
        report = run.finish()
    assert report["messages"]["decoded"] == len(BATCH)
    assert report["messages"]["control"] == 1
    assert report["events"]["delivered"] == report["events"]["decoded"] > 0


def test_pnflow_connects_to_several_producers(tmp_path):
    pushes = [Push(bind="tcp://127.0.0.1:*") for _ in range(3)]
    endpoints = [push.endpoints[0] for push in pushes]
    socket = {"bind": [], "connect": endpoints, "producers": 3}
    with Run(tmp_path, source(socket)) as run:
        for push in pushes:
            push.send_all(BATCH)
        report = run.finish()
    for push in pushes:
        push.close()
    assert report["messages"]["decoded"] == 3 * len(BATCH)
    assert report["messages"]["control"] == 3


def test_one_source_binds_and_connects_at_several_endpoints(tmp_path):
    listening = Push(bind="tcp://127.0.0.1:*")
    socket = {"bind": ["tcp://127.0.0.1:*", "tcp://127.0.0.1:*"],
              "connect": listening.endpoints, "producers": 3}
    with Run(tmp_path, source(socket)) as run:
        run.wait_running()
        listening.send_all(BATCH)
        for endpoint in (run.endpoint(0), run.endpoint(1)):
            with Push(endpoint) as push:
                push.send_all(BATCH)
        report = run.finish()
    listening.close()
    assert report["messages"]["decoded"] == 3 * len(BATCH)


def test_three_producers_at_once_lose_nothing(tmp_path):
    def produce(endpoint):
        with Push(endpoint) as push:
            push.send_all(BATCH * 20)

    with Run(tmp_path, source({"producers": 3})) as run:
        endpoint = run.wait_running().endpoint()
        threads = [threading.Thread(target=produce, args=(endpoint,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report = run.finish()
    assert report["messages"]["decoded"] == 3 * 20 * len(BATCH)
    assert report["messages"]["control"] == 3
    assert report["max_live_messages"] <= report["window"]


def test_a_run_ends_by_idle_timeout_counted_from_the_first_message(tmp_path):
    with Run(tmp_path, source({"idle_timeout": "500 ms"})) as run:
        endpoint = run.wait_running().endpoint()
        time.sleep(1.2)
        assert run.process.poll() is None, "the time before the first message is not idle time"
        with Push(endpoint) as push:
            push.send_all(BATCH, end=False)
            start = time.monotonic()
            report = run.finish()
        assert time.monotonic() - start >= 0.4
    assert report["messages"]["decoded"] == len(BATCH)


def test_a_run_without_any_message_ends_by_start_timeout(tmp_path):
    with Run(tmp_path, source({"start_timeout": "500 ms"})) as run:
        report = run.finish()
        run.wait_for_line("no message within 500 ms")
    assert received(report) == 0


def test_a_run_ends_when_the_expected_events_are_decoded(tmp_path):
    with Run(tmp_path, source()) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(BATCH)
        events = run.finish()["events"]["decoded"]
    with Run(tmp_path, source({"expected_events": events})) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(BATCH, end=False)
            report = run.finish()
    assert report["events"]["decoded"] == report["events"]["expected"] == events
    assert report["events"]["missing"] == 0


def test_events_that_never_came_are_missing(tmp_path):
    with Run(tmp_path, source({"expected_events": 1_000_000, "idle_timeout": "400 ms"})) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(BATCH, end=False)
            report = run.finish()
    assert report["events"]["missing"] == 1_000_000 - report["events"]["decoded"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_what_is_queued(tmp_path, number):
    count = 60
    topology = source({"receive_queue": 1000}, throttle={"delay": "10 ms"}, window=2)
    with Run(tmp_path, topology) as run:
        with Push(run.wait_running().endpoint(), queue=1000) as push:
            push.send_all((BATCH * count)[:count], end=False)
            time.sleep(0.3)  # all are in pnflow's queue by now, and few are through
            run.signal(number)
            report = run.finish()
    assert report["messages"]["decoded"] == count
    assert report["max_live_messages"] <= 2


def test_a_signal_ends_a_run_that_hears_nothing(tmp_path):
    with Run(tmp_path, source()) as run:
        run.wait_running()
        start = time.monotonic()
        run.signal(signal.SIGTERM)
        report = run.finish()
        assert time.monotonic() - start < 5
    assert received(report) == 0


def test_multipart_empty_and_huge_messages_are_accounted_for(tmp_path):
    with Run(tmp_path, source({"producers": 2, "max_message": "1 MiB"})) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send(BATCH[0])
            push.send_parts([b"header", BATCH[0]])
            push.send_parts([b"", b""])
            push.end()
            push.send(bytes(50_000_000))
            push.send(BATCH[1])
            push.end()
        report = run.finish()
    assert report["messages"]["decoded"] == 2
    assert report["messages"]["control"] == 2
    assert report["messages"]["unreadable"] == {"several frames": 2, "too large": 1}


def test_a_peer_that_is_no_producer_is_named(tmp_path):
    with Run(tmp_path, source()) as run:
        endpoint = run.wait_running().endpoint()
        context = zmq.Context()
        publisher = context.socket(zmq.PUB)
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.connect(endpoint)
        run.wait_for_line("refused: it is not a ZeroMQ PUSH socket")
        publisher.close()
        context.term()
        with Push(endpoint) as push:
            push.send_all(BATCH)
        report = run.finish()
    assert report["messages"]["decoded"] == len(BATCH)


def test_memory_that_can_be_held_is_logged_with_the_first_message(tmp_path):
    with Run(tmp_path, source(window=3)) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(BATCH)
        run.finish()
        line = run.wait_for_line(r"first message: .* window 3 \+ receive queue 1 x 1 peer.*MiB")
    assert line


def test_a_port_in_use_ends_the_run_before_it_begins(tmp_path):
    with Push(bind="tcp://127.0.0.1:*") as other:
        endpoint = other.endpoints[0]
        with Run(tmp_path, source({"bind": [endpoint]})) as run:
            assert run.wait() == 1
            run.wait_for_line(f"cannot bind {endpoint}: Address already in use")


def test_waiting_costs_no_processor_time(tmp_path):
    with Run(tmp_path, source()) as run:
        run.wait_running()
        process = psutil.Process(run.pid)
        time.sleep(0.5)
        before = sum(process.cpu_times()[:2])
        time.sleep(3)
        used = sum(process.cpu_times()[:2]) - before
        run.signal(signal.SIGTERM)
        run.finish()
    assert used < 0.1, f"{used} s of processor time in 3 s of silence"


def test_back_pressure_reaches_the_producer(tmp_path):
    topology = source(throttle={"delay": "20 ms"}, window=2)
    with Run(tmp_path, topology) as run:
        with Push(run.wait_running().endpoint(), queue=1) as push:
            padding = bytes(4_000_000)  # more than the kernel's buffers keep
            start = time.monotonic()
            for _ in range(30):
                push.send(BATCH[0] + padding)
            push.end()
            waited = time.monotonic() - start
        report = run.finish()
    assert waited > 0.2
    assert report["messages"]["decoded"] + total(report["messages"]["unreadable"]) == 30
    assert report["max_live_messages"] <= 2
