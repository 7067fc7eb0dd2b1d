#!/usr/bin/env python3
"""Events per second of the chain from socket to CXI files, beside the same steps in Python, and the
processor time that pnflow takes while little comes in.

    .venv/bin/python bench/chain.py [--quick]

Both sides get the same recorded messages from `pnflow push` over TCP on this machine, and find
peaks by the same rule: background and sigma from the neighbourhood, bright pixels left out of them
in two rounds, connected components of the pixels above. The Python side is one process with pyzmq,
h5py, scipy.ndimage and numpy, as one would write it without a framework; its disk writes are not
synced. Writes section "chain" of the results.
"""

import contextlib
import io
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import h5py
import hdf5plugin  # noqa: F401 - registers bitshuffle
import numpy as np
import psutil
import scipy.ndimage
import zmq

import harness
from harness import DATA, PNFLOW, ROOT

# Set of recorded messages, how often it is sent, and events in it.
STREAMS = [("hdf5_epix10k2m_bslz4_u16", 120, 1), ("hdf5_bslz4_u16_panels", 300, 4),
           ("hdf5_three_ranks", 400, 21)]
# Seconds after which what should have come or ended never will.
SILENCE, LONGEST = 60, 600


def free_endpoint() -> str:
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.bind("tcp://127.0.0.1:*")
        return socket.getsockopt_string(zmq.LAST_ENDPOINT)


@contextlib.contextmanager
def running(*words, stderr=subprocess.DEVNULL):
    """pnflow, which is killed at the end of the block if it still runs."""
    process = subprocess.Popen([PNFLOW, *map(str, words)], stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def push(endpoint: str, name: str, *arguments):
    return running("push", "--connect", endpoint, "--files", DATA / name / "msg_*.bin", *arguments,
                   stderr=None)


def run(graph: str, settings: list[str], *arguments):
    return running("run", ROOT / "configs" / graph, "--quiet", *arguments,
                   *[word for value in settings for word in ("--set", value)])


def run_chain(directory: str, endpoint: str, *settings):
    return run("threshold.yaml", [f"socket.bind={endpoint}", f"cxi.directory={directory}/out",
                             "peaks.min_num_peak=0", *settings],
               "--report", f"{directory}/report.json")


# ---------------------------------------------------------------- the alternative

def lit_pixels(image: np.ndarray) -> np.ndarray:
    """Pixels of spots, by the neighbourhood of 15x15 pixels; the rule of engine `threshold` without
    what it asks of a spot's shape."""
    image = image.astype(np.float32)
    counts = np.ones(image.shape, np.float32)
    for _ in range(3):
        share = np.maximum(scipy.ndimage.uniform_filter(counts, 15), 1e-6)
        mean = scipy.ndimage.uniform_filter(image * counts, 15) / share
        squares = scipy.ndimage.uniform_filter(image * image * counts, 15) / share
        sigma = np.maximum(np.sqrt(np.maximum(squares - mean * mean, 0)), 4)
        counts = (image <= mean + 4 * sigma).astype(np.float32)
    return image > mean + np.maximum(4 * sigma, 8)


def python_pipeline(endpoint: str, directory: str) -> float:
    """Takes messages up to the end marker; events per second from the first one on."""
    written, start = 0, None
    images, centres = [], []

    def write():
        with h5py.File(f"{directory}/{written:06}.cxi", "w") as file:
            data = np.stack(images)
            file.create_dataset("/entry_1/data_1/data", data=data, chunks=(1, *data.shape[1:]),
                                compression="gzip", compression_opts=1, shuffle=True)
            most = max(1, *map(len, centres))
            for axis, name in enumerate(["peakYPosRaw", "peakXPosRaw"]):
                table = np.zeros((len(centres), most), np.float32)
                for row, found in zip(table, centres):
                    row[:len(found)] = [centre[axis] for centre in found]
                file[f"/entry_1/result_1/{name}"] = table
            file["/entry_1/result_1/nPeaks"] = [len(found) for found in centres]

    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.set_hwm(8)
        socket.rcvtimeo = 1000 * SILENCE
        socket.bind(endpoint)
        while message := socket.recv():
            start = start or time.monotonic()
            with h5py.File(io.BytesIO(message)) as file:
                batch = file["/data/data"][:]
            for event in batch.reshape(len(batch), -1, *batch.shape[-2:]):
                found = []
                for number, panel in enumerate(event):
                    lit = lit_pixels(panel)
                    labels, count = scipy.ndimage.label(lit, np.ones((3, 3)))
                    found += [(y + number * len(panel), x) for y, x in
                              scipy.ndimage.center_of_mass(lit, labels, range(1, count + 1))]
                images.append(event.reshape(-1, event.shape[-1]))
                centres.append(found)
                if len(images) == 100:
                    write()
                    written += len(images)
                    images, centres = [], []
    if images:
        write()
        written += len(images)
    return written / (time.monotonic() - start)


# ---------------------------------------------------------------- measurements

def pnflow_rate(name: str, loops: int, events: int) -> float:
    """Events per second of one run, start and end of the run included."""
    endpoint = free_endpoint()
    with tempfile.TemporaryDirectory() as directory:
        with (push(endpoint, name, "--loop", loops) as sender,
              run_chain(directory, endpoint) as pipeline):
            assert sender.wait(LONGEST) == 0 and pipeline.wait(LONGEST) == 0
        report = json.loads(pathlib.Path(directory, "report.json").read_text())
    assert report["events"]["delivered"] == loops * events, report["events"]
    return loops * events / report["wall_s"]


def python_rate(name: str, loops: int) -> float:
    endpoint = free_endpoint()
    with (tempfile.TemporaryDirectory() as directory,
          push(endpoint, name, "--loop", loops) as sender):
        rate = python_pipeline(endpoint, directory)
        assert sender.wait(LONGEST) == 0
    return rate


def share_of(process: subprocess.Popen, seconds: float) -> float:
    """Its processor time per second, over so many seconds, all of which it has to run."""
    watched = psutil.Process(process.pid)
    time.sleep(2)
    before, start = sum(watched.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    share = (sum(watched.cpu_times()[:2]) - before) / (time.monotonic() - start)
    assert process.poll() is None, f"{process.args} has ended"
    return share


def framework_share(rate: int, seconds: float) -> float:
    """Messages from memory through limiters and nodes with next to nothing to do."""
    settings = [f"source.rate={rate} Hz", "source.shape=[64,80]", "source.count=0",
                "source.events_per_message=1", "infer.engine=none", "peaks.min_num_peak=0"]
    with run("measure.yaml", settings) as process:
        return share_of(process, seconds)


def chain_share(rate: int, engine: str, seconds: float) -> float:
    """The whole chain, `rate` messages a second of 1 to 3 events of 64x80 pixels; 0: none comes."""
    endpoint = free_endpoint()
    with contextlib.ExitStack() as ended:
        directory = ended.enter_context(tempfile.TemporaryDirectory())
        pipeline = ended.enter_context(run_chain(directory, endpoint, f"infer.engine={engine}"))
        if rate:
            ended.enter_context(push(endpoint, "hdf5_three_ranks", "--loop", 0, "--rate", rate))
        return share_of(pipeline, seconds)


SHARES = [(0, "`threshold.yaml`", lambda seconds: chain_share(0, "threshold", seconds)),
          (100, "`measure.yaml`, nothing to do", lambda seconds: framework_share(100, seconds)),
          (100, "`threshold.yaml`, engine none", lambda seconds: chain_share(100, "none", seconds)),
          (100, "`threshold.yaml`", lambda seconds: chain_share(100, "threshold", seconds))]


def measured(options):
    repeats = range(1 if options.quick else 3)
    for name, loops, events in STREAMS:
        loops = loops // 10 if options.quick else loops
        ours = [1 / pnflow_rate(name, loops, events) for _ in repeats]
        theirs = [1 / python_rate(name, max(1, loops // 10)) for _ in repeats]
        print(f"{name}: {harness.short(ours)} an event; Python {harness.short(theirs)}", flush=True)
        yield {"name": f"chain, {name}", "input": f"`{name}`", "pnflow": ours,
               "alternatives": {"one Python process": theirs}}
    for rate, graph, share in SHARES:
        shares = [share(2 if options.quick else 10) for _ in repeats]
        print(f"{rate} messages/s, {graph}: {100 * statistics.median(shares):.1f}% of a core",
              flush=True)
        yield {"name": f"share of a core, {rate}/s, {graph}", "rate": rate, "graph": graph,
               "pnflow": shares}


def main():
    options = harness.arguments(__doc__)
    harness.store("chain", list(measured(options)), options)


if __name__ == "__main__":
    main()
