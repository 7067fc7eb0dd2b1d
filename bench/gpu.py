#!/usr/bin/env python3
"""What a GPU reaches in a whole graph, beside its own limits. Needs a GPU.

    bench/gpu.py transfer               pixels to the device and logits from it, beside what pinned
                                        memory allows
    bench/gpu.py network DIRECTORY      PeakNet from images to peaks, beside the engine alone;
                                        DIRECTORY is where scripts/export_peaknet.py has put its files
    bench/gpu.py latency DIRECTORY      lone messages: with micro-batches of 8, which none waits for,
                                        and of 1
    bench/gpu.py devices DIRECTORY      two pipelines on one GPU, and on two where there are two

Prints a table in Markdown; --json FILE keeps all that was measured. Networks are of size base, in
bfloat16, with images of 1920x1920, but for `network --size large --pixels 1696`; an engine whose
file is not there is left out.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from harness import BINARIES, PNFLOW, ROOT

SIZE = 1920
GRAPH = ROOT / "configs" / "gpu-transfer.yaml"


def run_command(graph, report, settings) -> list[str]:
    """Of a run that writes this report."""
    command = [PNFLOW, "run", graph, "--quiet", "--report", report]
    for setting in settings:
        command += ["--set", setting]
    return list(map(str, command))


def pnflow_run(*settings: str, graph=GRAPH) -> dict:
    """The report of a run."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run(run_command(graph, report.name, settings), cwd=ROOT, check=True)
        return json.load(report)


def figures(report: dict) -> dict:
    """Of the only pipeline."""
    [node] = [node for node in report["nodes"] if node["type"] == "infer"]
    [group] = node["figures"].values()
    return {name: figure["value"] for name, figure in group.items()}


def graph_to_peaks() -> dict:
    """From images to peaks, which nothing takes."""
    return {
        "pnflow": 1, "name": "gpu-network", "window": 24,
        "nodes": {
            "source": {"type": "sim_source", "shape": [SIZE, SIZE], "dtype": "float32",
                       "events_per_message": 1, "count": 800, "preload": 16, "truth": False},
            "q1": {"type": "limiter", "capacity": 16},
            "infer": {"type": "infer", "engine": "none", "devices": [0], "batch_size": 8,
                      "pad": {"height": SIZE, "width": SIZE}},
            "q2": {"type": "limiter", "capacity": 16},
            "peaks": {"type": "find_peaks", "workers": 2},
            "end": {"type": "null_sink"}},
        "edges": ["source -> q1 -> infer -> q2 -> peaks -> end"]}


def network_settings(engine: str, weights: pathlib.Path, batch: int,
                     pixels: int = SIZE) -> list[str]:
    """Of a run in which messages are single events of pixels x pixels."""
    return [f"infer.engine={engine}", f"infer.weights={weights}", "infer.precision=bfloat16",
            f"infer.batch_size={batch}", "infer.buffers=2", "source.events_per_message=1",
            "source.preload=16", f"source.shape=[{pixels},{pixels}]",
            f"infer.pad={{height: {pixels}, width: {pixels}}}"]


def network_run(engine: str, weights: pathlib.Path, batch: int, *settings: str,
                pixels: int = SIZE) -> dict:
    """The report of it, up to peaks."""
    with tempfile.TemporaryDirectory() as directory:
        graph = pathlib.Path(directory) / "network.yaml"
        graph.write_text(json.dumps(graph_to_peaks()))
        return pnflow_run(*network_settings(engine, weights, batch, pixels), *settings, graph=graph)


def table(head: list[str], rows: list[list]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{x:.4g}" if isinstance(x, float) else str(x) for x in row) + " |")
    print(flush=True)


# ---------------------------------------------------------------- transfer

def write_events(path: pathlib.Path, events: int) -> None:
    """Uncompressed, an event to a chunk."""
    rng = np.random.default_rng(1)
    image = rng.poisson(10, (SIZE, SIZE)).astype(np.float32)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("/data/data", (events, SIZE, SIZE), np.float32,
                                   chunks=(1, SIZE, SIZE))
        for i in range(events):
            data[i] = np.roll(image, i)
        file["/data/timestamp"] = np.arange(events, dtype=np.uint64) + (1_700_000_000 << 32)


def transfer(options: argparse.Namespace) -> dict:
    told = subprocess.run([PNFLOW, "gpu", "--json"], text=True, capture_output=True, check=True)
    device = json.loads(told.stdout)["devices"][0]
    limit = device["copies"]["pinned_up"] / 1e9
    found = {"device": device, "runs": {}}
    rows = [["pinned memory, 256 MiB blocks", "", limit, 1.0, ""]]
    for dtype, events in (("float32", 40_000), ("uint16", 80_000)):
        report = pnflow_run(f"source.dtype={dtype}", f"source.count={events}")
        of = found["runs"][dtype] = figures(report)
        rows.append([f"sim_source, preloaded, {dtype}", of["rate"], of["H2D"], of["H2D"] / limit,
                     f"{of['H2D busy']:.1f}%"])
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "events.h5"
        write_events(path, 64)
        graph = pathlib.Path(directory) / "files.yaml"
        graph.write_text(json.dumps({
            "pnflow": 1, "name": "files", "window": 24,
            "nodes": {
                "source": {"type": "file_source", "files": [str(path)], "loop": 100,
                           "events_per_message": 4},
                "decode": {"type": "decode", "workers": 8},
                "q1": {"type": "limiter", "capacity": 12},
                "infer": {"type": "infer", "engine": "none", "devices": [0], "batch_size": 8,
                          "buffers": 3, "pad": {"height": SIZE, "width": SIZE}},
                "end": {"type": "null_sink"}},
            "edges": ["source -> decode -> q1 -> infer -> end"]}))
        of = found["runs"]["file_source"] = figures(pnflow_run(graph=graph))
        rows.append(["file_source, page cache, decode, float32", of["rate"], of["H2D"],
                     of["H2D"] / limit, f"{of['H2D busy']:.1f}%"])
    print(f"{device['name']}\n")
    table(["pixels from", "images/s", "H2D GB/s", "of the limit", "H2D busy"], rows)
    found["runs"] |= way_down(device["copies"])
    return found


def save_trivial_network(path: pathlib.Path) -> None:
    """Logits of two classes from one channel of pixels, with next to no work."""
    import torch

    class Trivial(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([5 - x, x - 5], dim=1)

    torch.jit.script(Trivial().eval()).save(str(path))


def way_down(limits: dict) -> dict:
    """Logits in float32 are four times as many bytes as the pixels in uint16 that they are of. These
    go up at the same time, which is why the limit of both directions stands beside."""
    down, both = limits["pinned_down"] / 1e9, limits["pinned_both"] / 1e9
    rows = [["pinned memory, 256 MiB blocks", "", down, 1.0, "", "", both, 1.0]]
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        network = pathlib.Path(directory) / "trivial.pt"
        try:
            save_trivial_network(network)
        except ImportError as error:
            print(f"the way down is left out: {error}", file=sys.stderr)
            return found
        for buffers in (2, 3):
            of = found[f"logits, {buffers} buffers"] = figures(pnflow_run(
                "infer.engine=torchscript", f"infer.weights={network}", "infer.logits=true",
                f"infer.buffers={buffers}", "source.dtype=uint16", "source.count=20000"))
            sum_of_both = of["H2D"] + of["D2H"]
            rows.append([f"maps and logits, {buffers} sets of buffers", of["rate"], of["D2H"],
                         of["D2H"] / down, f"{of['D2H busy']:.1f}%", of["H2D"], sum_of_both,
                         sum_of_both / both])
    table(["from the device", "images/s", "D2H GB/s", "of the limit", "D2H busy", "H2D GB/s",
           "both GB/s", "of the limit of both"], rows)
    return found


# ---------------------------------------------------------------- network

def alone(engine: str, weights: pathlib.Path, batch: int, seconds: float, pixels: int) -> float:
    """Images per second."""
    done = subprocess.run([BINARIES / "pnflow_gpu_engine_bench", "--engine", engine, "--weights",
                           weights, "--precision", "bfloat16", "--batch-size", str(batch),
                           "--height", str(pixels), "--width", str(pixels),
                           "--seconds", str(seconds)], text=True, capture_output=True, check=True)
    return json.loads(done.stdout)["images_per_second"]


FILES = {"torchscript": "peaknet_{}.pt", "aoti": "peaknet_{}_cuda_bfloat16.pt2",
         "peaknet": "peaknet_{}_state.pt"}


def engines(options: argparse.Namespace) -> dict[str, pathlib.Path]:
    """Those that were asked for, with their files."""
    found = {}
    for engine in options.engines:
        weights = options.directory / FILES[engine].format(options.size)
        if weights.exists():
            found[engine] = weights
        else:
            print(f"{weights} is not there: engine {engine} is left out", file=sys.stderr)
    return found


def network(options: argparse.Namespace) -> dict:
    rows, found = [], []
    for engine, weights in engines(options).items():
        for batch in options.batches:
            limit = alone(engine, weights, batch, min(options.seconds, 30), options.pixels)
            events = int(limit * options.seconds) // batch * batch
            report = network_run(engine, weights, batch, f"source.count={events}",
                                 f"q1.capacity={4 * batch}", f"window={4 * batch + 8}",
                                 pixels=options.pixels)
            of = figures(report)
            if options.reports:
                options.reports.mkdir(exist_ok=True)
                (options.reports / f"{engine}_{batch}.json").write_text(json.dumps(report))
            found.append({"engine": engine, "batch": batch, "alone": limit, "graph": of})
            rows.append([engine, batch, of["rate"], limit, of["rate"] / limit,
                         f"{of['compute idle']:.2f}%",
                         int(of["last allocation at micro-batch"])])
            table(["engine", "batch", "graph, images/s", "alone, images/s", "ratio", "idle",
                   "last allocation at micro-batch"], rows[-1:])
    table(["engine", "batch", "graph, images/s", "alone, images/s", "ratio", "idle",
           "last allocation at micro-batch"], rows)
    return {"runs": found}


def latency(options: argparse.Namespace) -> dict:
    """From a message's arrival in infer to its answer, with two a second."""
    rows, found = [], []
    for engine, weights in engines(options).items():
        for batch in options.batches:
            report = network_run(engine, weights, batch, "source.count=20", "source.rate=2 Hz")
            [node] = [node for node in report["nodes"] if node["type"] == "infer"]
            [group] = node["figures"].values()
            compute = (group["compute busy"]["value"] / 100
                       * group["images/micro-batch"]["value"] / group["rate"]["value"])
            found.append({"engine": engine, "batch": batch, "p50_s": node["p50_s"],
                          "max_s": node["max_s"], "compute_s": compute})
            rows.append([engine, batch, *(f"{1e3 * seconds:.1f} ms" for seconds in
                                          (compute, node["p50_s"], node["max_s"]))])
    table(["lone message, max_wait 20 ms", "batch_size", "computation", "p50", "max"], rows)
    return {"runs": found}


def devices(options: argparse.Namespace) -> dict:
    there = subprocess.run(["nvidia-smi", "-L"], text=True, capture_output=True).stdout
    lists = ["[0]", "[0,0]"] + (["[0,1]"] if there.count("GPU ") > 1 else [])
    found, rows = {}, []
    for name in lists:
        report = network_run("torchscript", options.directory / "peaknet_base.pt", 8,
                             f"infer.devices={name}", f"source.count={options.events}",
                             "q1.capacity=64", "window=72")
        [node] = [node for node in report["nodes"] if node["type"] == "infer"]
        found[name] = [group["rate"]["value"] for group in node["figures"].values()]
        rows.append([name, sum(found[name]), sum(found[name]) / sum(found["[0]"])])
    table(["devices", "images/s", "of one"], rows)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="file for all that was measured")
    parts = parser.add_subparsers(required=True)
    parts.add_parser("transfer").set_defaults(part=transfer)
    parsers = {}
    for name, function in (("network", network), ("latency", latency), ("devices", devices)):
        parsers[name] = part = parts.add_parser(name)
        part.set_defaults(part=function)
        part.add_argument("directory", type=lambda name: pathlib.Path(name).resolve())
    for name, batches in (("network", [8, 16]), ("latency", [8, 1])):
        parsers[name].add_argument("--engines", nargs="+", choices=FILES, default=list(FILES))
        parsers[name].add_argument("--batches", type=int, nargs="+", default=batches)
        parsers[name].add_argument("--size", choices=("base", "large"), default="base",
                                   help="of the network")
    parsers["network"].add_argument("--pixels", type=int, default=SIZE, help="a side")
    parsers["network"].add_argument("--seconds", type=float, default=30, help="of the graph; the "
                                    "engine alone has 30 at most")
    parsers["network"].add_argument("--reports", type=pathlib.Path, metavar="DIRECTORY",
                                    help="keeps pnflow's reports there, as ENGINE_BATCH.json")
    parsers["devices"].add_argument("--events", type=int, default=800)
    options = parser.parse_args()
    found = options.part(options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
