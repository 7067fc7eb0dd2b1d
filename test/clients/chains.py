"""The chain that most client tests run: socket to CXI, with names as in configs/demo.yaml."""

from __future__ import annotations

import pathlib

import h5py

from support import graph

CHAIN = "socket -> decode -> q1 -> infer -> q2 -> peaks -> cxi"


def chain(**changes) -> dict:
    """The whole chain; a keyword names a node and gives settings that replace or add to its own.
    `edges` and other top-level keys replace the topology's."""
    nodes = {
        "socket": {"type": "zmq_source", "bind": ["tcp://127.0.0.1:*"]},
        "decode": {"type": "decode", "workers": 2},
        "q1": {"type": "limiter", "capacity": 4},
        "infer": {"type": "infer", "engine": "threshold"},
        "q2": {"type": "limiter", "capacity": 4},
        "peaks": {"type": "find_peaks", "min_num_peak": 0, "workers": 2},
        "cxi": {"type": "cxi_writer", "directory": "out", "events_per_file": 50, "workers": 2},
    }
    top = {}
    for name, settings in changes.items():
        if name in nodes and settings is None:
            del nodes[name]
        elif name in nodes and "type" in settings:
            nodes[name] = settings
        elif name in nodes:
            nodes[name].update(settings)
        elif isinstance(settings, dict) and "type" in settings:
            nodes[name] = settings
        else:
            top[name] = settings
    edges = top.pop("edges", CHAIN)
    return graph(nodes, edges, **top)


def cxi_files(directory: pathlib.Path) -> list[pathlib.Path]:
    return sorted((pathlib.Path(directory) / "out").glob("*.cxi"))


def events_in_files(directory: pathlib.Path) -> int:
    """Events in all closed files, each of which must open and agree with itself."""
    events = 0
    for path in cxi_files(directory):
        with h5py.File(path) as file:
            images = file["/entry_1/data_1/data"]
            assert len(file["/entry_1/result_1/nPeaks"]) == len(images)
            assert len(file["/LCLS/detector_1/timestamp"]) == len(images)
            images[-1]  # the last chunk decompresses
            events += len(images)
    return events
