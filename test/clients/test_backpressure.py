"""A writer that is far too slow: what is alive stays within the window, and memory where it is."""

import threading

import psutil

from chains import chain
from cxi import events_in_files
from peers import Push
from support import Run, messages

MIB = 1 << 20


def test_memory_does_not_grow_behind_a_slow_writer(tmp_path):
    count = 1000
    message = messages("hdf5_bszstd_f32_odd")[0]  # 4 events of 85x93 float32
    topology = chain(
        slow={"type": "throttle", "delay": "50 ms"},
        cxi={"events_per_file": 1000},
        edges="socket -> decode -> q1 -> infer -> q2 -> peaks -> slow -> cxi")
    with Run(tmp_path, topology, "--quiet") as run, Push(run.wait_running().endpoint()) as push:
        process = psutil.Process(run.pid)
        samples = []

        def send():
            for _ in range(count):
                push.send(message)
            push.end()

        sender = threading.Thread(target=send)
        sender.start()
        first = None
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            rss = process.memory_info().rss
            samples.append(rss)
            if first is None and len(samples) > 50:  # 5 s: the first hundred messages are through
                first = rss
            try:
                process.wait(0.1)
                break
            except psutil.TimeoutExpired:
                pass
        sender.join()
        report = run.finish()
    assert report["events"]["delivered"] == 4 * count == events_in_files(tmp_path)
    assert report["max_live_messages"] <= report["window"]
    assert max(samples) - first < 32 * MIB
