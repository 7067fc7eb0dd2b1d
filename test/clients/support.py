"""What the client tests share: finding and running pnflow, its report, messages and graphs.

pnflow is found through the environment variable PNFLOW_BINARY, else in build/pnflow.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import h5py
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "test" / "data"
TIMEOUT = float(os.environ.get("PNFLOW_TEST_TIMEOUT", "60"))  # seconds; sanitizer builds need more
BINARY = pathlib.Path(os.environ.get("PNFLOW_BINARY", ROOT / "build" / "pnflow"))
LIBTORCH = (BINARY.resolve().parent / "libpnflow_torch.so").exists()
CUDA = (BINARY.resolve().parent / "libpnflow_cuda.so").exists()
needs_libtorch = pytest.mark.skipif(not LIBTORCH, reason="this build has no LibTorch")


def binary() -> pathlib.Path:
    if not BINARY.exists():
        raise FileNotFoundError(f"{BINARY} does not exist: build pnflow, or set PNFLOW_BINARY")
    return BINARY


# ---------------------------------------------------------------- messages

def message_files(name: str) -> list[pathlib.Path]:
    """The recorded messages of test/data/lclstreamer/NAME, in the order of their sending."""
    files = sorted((DATA / "lclstreamer" / name).glob("msg_*.bin"))
    assert files, f"no messages in {DATA / 'lclstreamer' / name}"
    return files


def messages(name: str) -> list[bytes]:
    return [path.read_bytes() for path in message_files(name)]


def expected(name: str) -> dict[str, np.ndarray]:
    """What went into those messages: images, timestamps, wavelengths."""
    with np.load(DATA / "lclstreamer" / name / "expected.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def hdf5_message(images, *, compression=None, **fields) -> bytes:
    """A message as LCLStreamer's HDF5 serializer makes it, a chunk for each event. The images may
    be compressed; a field such as timestamp or wavelength has one value for each of them."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="earliest") as file:
        images = np.asarray(images)
        file.create_dataset("/data/data", data=images, chunks=(1, *images.shape[1:]),
                            compression=compression)
        for name, values in fields.items():
            file.create_dataset(f"/data/{name}", data=values, chunks=(1,))
    return buffer.getvalue()


# ---------------------------------------------------------------- graphs

def graph(nodes: dict, edges: str | list[str], **top) -> dict:
    """A topology: graph({"socket": {"type": "zmq_source", ...}, ...}, "socket -> decode -> x")."""
    return {"pnflow": 1, "name": "test", **top, "nodes": nodes,
            "edges": [edges] if isinstance(edges, str) else edges}


def write_graph(directory: pathlib.Path, topology: dict, name: str = "graph.yaml") -> pathlib.Path:
    """JSON is YAML, so that no YAML writer is needed."""
    path = pathlib.Path(directory) / name
    path.write_text(json.dumps(topology, indent=2) + "\n")
    return path


# ---------------------------------------------------------------- processes

def pnflow(*arguments, cwd=None, timeout: float = TIMEOUT) -> subprocess.CompletedProcess:
    """Runs a pnflow command to its end: .returncode, .stdout, .stderr."""
    return subprocess.run([str(binary()), *map(str, arguments)], cwd=cwd, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=timeout)


class Process:
    """A pnflow process with its output kept, line by line, while it runs.

    A context manager: whatever is still running at the end is killed.
    """

    def __init__(self, *arguments, cwd=None, env=None):
        self.command = [str(binary()), *map(str, arguments)]
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._open_pipes = 2
        self._stdout: list[str] = []
        self.process = subprocess.Popen(
            self.command, cwd=cwd, env={**os.environ, **(env or {})}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._readers = [threading.Thread(target=self._read, args=pipe, daemon=True)
                         for pipe in ((self.process.stdout, True), (self.process.stderr, False))]
        for reader in self._readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def _read(self, pipe, is_stdout):
        for line in pipe:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                if is_stdout:
                    self._stdout.append(line)
                self._news.notify_all()
        with self._news:
            self._open_pipes -= 1
            self._news.notify_all()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        """Both streams, in the order in which their lines came."""
        with self._news:
            return "\n".join(self.lines)

    @property
    def stdout(self) -> str:
        with self._news:
            return "".join(self._stdout)

    def wait_for_line(self, pattern: str, timeout: float = TIMEOUT,
                      occurrence: int = 1) -> re.Match:
        """Waits until `pattern` has been found in that many lines of the output."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = [m for m in map(expression.search, self.lines) if m]
                if len(found) >= occurrence:
                    return found[occurrence - 1]
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._open_pipes == 0:
                    why = "has ended" if self._open_pipes == 0 else f"{timeout} s are over"
                    raise AssertionError(f"no line with '{pattern}', {why}; output:\n"
                                         + "\n".join(self.lines))
                self._news.wait(remaining)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """The exit status. A process that does not end in time is killed, and the test fails."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"pnflow has not ended within {timeout} s; output:\n{self.output}")
        for reader in self._readers:
            reader.join()
        return status


class Run(Process):
    """`pnflow run` of a topology, with its report."""

    def __init__(self, directory, topology, *arguments, env=None):
        directory = pathlib.Path(directory)
        self.report_file = directory / "report.json"
        if isinstance(topology, dict):
            topology = write_graph(directory, topology)
        super().__init__("run", topology, "--report", self.report_file, *arguments, cwd=directory,
                         env=env)

    def wait_running(self, timeout: float = TIMEOUT) -> "Run":
        """Until all nodes are open and sockets bound."""
        self.wait_for_line(r"\brunning\b", timeout)
        return self

    def endpoint(self, index: int = 0) -> str:
        """The address to connect to of the socket that was bound as number `index`."""
        bound = self.wait_for_line(r"\bbound (\S+://\S+)", occurrence=index + 1).group(1)
        return bound.replace("0.0.0.0", "127.0.0.1")

    @property
    def report(self) -> dict:
        assert self.report_file.exists(), f"no report; output:\n{self.output}"
        return json.loads(self.report_file.read_text())

    def finish(self, status: int = 0, timeout: float = TIMEOUT) -> dict:
        """Waits for the end, checks the exit status and both books, and gives the report."""
        found = self.wait(timeout)
        assert found == status, f"exit status {found}, not {status}; output:\n{self.output}"
        report = self.report
        check_books(report)
        return report


def finished(directory, topology) -> dict:
    """The report of a run that ends by itself, in a directory that need not exist yet."""
    pathlib.Path(directory).mkdir(exist_ok=True)
    with Run(directory, topology) as run:
        return run.finish()


# ---------------------------------------------------------------- reports

def check_books(report: dict):
    """Both ledgers add up: no message and no event without an account of it."""
    m, e = report["messages"], report["events"]
    accounted = m["decoded"] + m["control"] + m.get("raw", 0) + total(m["unreadable"])
    assert m["received"] == accounted, m
    assert e["decoded"] == e["delivered"] + total(e["vetoed"]) + total(e["failed"]), e


def total(book) -> int:
    """Of a number, or of a map from reason to number."""
    return sum(book.values()) if isinstance(book, dict) else book


def node(report: dict, name: str) -> dict:
    """What a report says of one node."""
    [found] = [entry for entry in report["nodes"] if entry["name"] == name]
    return found
