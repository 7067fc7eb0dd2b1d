"""The chain that most client tests run, socket to CXI with names as in configs/demo.yaml, and what
becomes of it behind a simulation or without its middle."""

from __future__ import annotations

import re

from support import graph

CHAIN = "socket -> decode -> q1 -> infer -> q2 -> peaks -> cxi"
SIMULATED = "source -> q1 -> infer -> q2 -> peaks -> cxi"
IN_ORDER = {"ordered": True, "workers": 1}  # of a writer: events stand as they were sent
SHAPE = [3, 60, 70]  # simulated panels and their size, where a test does not say otherwise


def chain(edges=CHAIN, **changes) -> dict:
    """The nodes of the whole chain that are in the edges; a keyword names a node and gives settings
    that add to its own or, with a type, replace them. Other keys are the topology's."""
    named = set(re.findall(r"\w+", str(edges)))
    nodes = {
        "socket": {"type": "zmq_source", "bind": ["tcp://127.0.0.1:*"]},
        "decode": {"type": "decode", "workers": 2},
        "q1": {"type": "limiter", "capacity": 4},
        "infer": {"type": "infer", "engine": "threshold"},
        "q2": {"type": "limiter", "capacity": 4},
        "peaks": {"type": "find_peaks", "min_num_peak": 0, "workers": 2},
        "cxi": {"type": "cxi_writer", "directory": "out", "events_per_file": 50, "workers": 2},
    }
    nodes = {name: settings for name, settings in nodes.items() if name in named}
    top = {}
    for name, settings in changes.items():
        if isinstance(settings, dict) and "type" in settings:
            nodes[name] = settings
        elif name in nodes:
            nodes[name].update(settings)
        else:
            top[name] = settings
    return graph(nodes, edges, **top)


def writer_behind_socket(cxi=None, edges="socket -> decode -> cxi", **changes) -> dict:
    """Four events to a file, in the order of sending."""
    return chain(edges, cxi={"events_per_file": 4, **IN_ORDER, **(cxi or {})}, **changes)


# ---------------------------------------------------------------- simulated events

def sim_source(**settings) -> dict:
    return {"type": "sim_source", "shape": SHAPE, "count": 12, "peaks": 12, **settings}


def simulated(source: dict, edges=SIMULATED, **changes) -> dict:
    """The chain behind simulated events."""
    return chain(edges, source=sim_source(**source), **changes)


def recorded(source: dict, **cxi) -> dict:
    """Simulated events in the order of sending, straight to files."""
    return simulated(source, "source -> cxi", cxi={**IN_ORDER, **cxi})


def counted(**source) -> dict:
    """Simulated events that are counted and kept nowhere."""
    return simulated(source, "source -> q1 -> end", end={"type": "null_sink"})
