#!/usr/bin/env python3
"""Images per second of PeakNet in PyTorch, as one would write it in Python without pnflow.

    bench/compare/torch_pipeline.py --weights peaknet_base_state.pt --json out.json
    bench/compare/torch_pipeline.py --weights peaknet_base_state.pt --pnflow-json report.json

The work is that of pnflow's node `infer`: float32 images in the host's memory go to the device, are
normalised there, and maps of where the peaks are come back.

  eager          pinned memory, a stream for each direction and one for the network, sets of buffers
  compile        the same with torch.compile
  original       images pickled from process to process, pageable memory, float32 logits to the host
  alone-eager    images that are on the device, batches enqueued back to back: no copies
  alone-compile  the same with torch.compile

Compute idle is the share of time in which the device was in no batch's computation, by its own clock,
from the first one's begin to the last one's end. --pnflow-json takes what `pnflow run --report` wrote.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gc
import json
import math
import pathlib
import platform
import shlex
import sys
import time
import traceback
from collections.abc import Iterator

import torch
from torch import Tensor, nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from peaknet import SIZES, STRIDE, PeakNet  # noqa: E402
import torch_variants as variants  # noqa: E402
from torch_variants import Job, Span  # noqa: E402

NAMES = ("eager", "compile", "original", "alone-eager", "alone-compile")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MODES = ("default", "max-autotune-no-cudagraphs")


@dataclasses.dataclass
class Row:
    name: str
    images_per_s: float | None = None
    idle: float | None = None  # share of the time
    details: dict = dataclasses.field(default_factory=dict)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", type=pathlib.Path, required=True,
        help="state dict, as scripts/export_peaknet.py writes it")
    add("--size", choices=SIZES, default="base", help="of the network (default base)")
    add("--precision", choices=PRECISIONS, default="bfloat16", help="(default bfloat16)")
    add("--batch", type=int, default=8, help="images (default 8)")
    add("--height", type=int, default=1920, help="of an image (default 1920)")
    add("--width", type=int, default=1920, help="of an image (default 1920)")
    add("--images", type=int, default=64, help="different ones that the stream has (default 64)")
    add("--buffers", type=int, default=2, help="sets of them (default 2)")
    add("--preloaded-pinned", action="store_true",
        help="the stream's images are in pinned memory: no copy on the host")
    add("--seconds", type=float, default=30, help="of each variant (default 30)")
    add("--warm-up", type=float, default=3, help="seconds before them (default 3)")
    add("--variants", type=lambda text: text.split(","), default=list(NAMES),
        help=f"some of {','.join(NAMES)} (default all)")
    add("--mode", choices=MODES, default="default", help="of torch.compile (default default)")
    add("--device", choices=("cpu", "cuda"), default="cuda",
        help="(default cuda; cpu only shows that all of it runs)")
    add("--json", type=pathlib.Path, help="file for everything measured")
    add("--pnflow-json", type=pathlib.Path, nargs="+", default=[], metavar="REPORT",
        help="reports of pnflow, to compare with")
    options = parser.parse_args()
    if unknown := [name for name in options.variants if name not in NAMES]:
        parser.error(f"--variants: no '{unknown[0]}'; there are {', '.join(NAMES)}")
    for name in ("height", "width"):
        if getattr(options, name) < STRIDE or getattr(options, name) % STRIDE:
            parser.error(f"--{name} must be a multiple of {STRIDE}")
    for name in ("batch", "images", "buffers"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no GPU here")
    return options


# ---------------------------------------------------------------- pnflow

def pnflow_row(path: pathlib.Path) -> Row:
    """All devices of the report's nodes of type infer together."""
    report = json.loads(path.read_text())
    devices = [figures for node in report["nodes"] if node["type"] == "infer"
               for figures in node.get("figures", {}).values()]
    rates = [rate for figures in devices if (rate := figure(figures, "images/s")) is not None]
    busy = [share for figures in devices if (share := figure(figures, "compute busy")) is not None]
    if not rates:
        raise SystemExit(f"{path}: no node of type infer tells its images/s")
    return Row(f"pnflow {path.stem}", sum(rates),
               1 - sum(busy) / len(busy) / 100 if busy else None,
               {"report": str(path), "figures": devices})


def figure(figures: dict, wanted: str) -> float | None:
    """The first value that has the name or the unit, the name going before."""
    found = ([entry["value"] for name, entry in figures.items() if name == wanted]
             + [entry["value"] for entry in figures.values() if entry["unit"] == wanted])
    return found[0] if found else None


# ---------------------------------------------------------------- measuring

def measure(batches: Iterator[Span], options: argparse.Namespace) -> Row:
    """Counts from one finished batch to a later one, all in the steady state."""
    warm = time.perf_counter() + options.warm_up
    for _ in range(options.buffers + 1):
        next(batches)
    while time.perf_counter() < warm:
        next(batches)
    spans: list[Span] = []
    start = now = time.perf_counter()
    while now < start + options.seconds or len(spans) < 2:
        spans.append(next(batches))
        now = time.perf_counter()
    wall = spans[-1][1] - spans[0][0]
    return Row("", len(spans) * options.batch / (now - start), 1 - covered(spans) / wall,
               {"batches": len(spans), "seconds": now - start})


def covered(spans: list[Span]) -> float:
    """Seconds in at least one of the spans, which are in the order of their begins."""
    total, until = 0.0, -math.inf
    for begin, end in spans:
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


class Bench:
    """Has what several variants share; the network is compiled once."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.job = Job(torch.device(options.device), PRECISIONS[options.precision], options.batch,
                       options.height, options.width, options.images, options.buffers,
                       options.preloaded_pinned)

    @functools.cached_property
    def ring(self) -> Tensor:
        ring = torch.from_numpy(variants.image_ring(self.job))
        pinned = self.job.preloaded_pinned and self.job.device.type == "cuda"
        return ring.pin_memory() if pinned else ring

    def network(self) -> PeakNet:
        # Tensors made in inference mode are not what torch.compile expects of parameters.
        with torch.inference_mode(False):
            network = PeakNet(SIZES[self.options.size])
            network.load_state_dict(torch.load(self.options.weights, map_location="cpu",
                                               weights_only=True))
            return network.eval().requires_grad_(False)

    @functools.cached_property
    def eager(self) -> nn.Module:
        with torch.inference_mode(False):
            return variants.Step(self.network(), self.job)

    @functools.cached_property
    def compiled(self) -> tuple[nn.Module, dict]:
        """With the seconds of its first call, and the share of bytes in the maps of a batch that
        are not those of the eager one."""
        step = torch.compile(self.eager, mode=self.options.mode, dynamic=False)
        raw = torch.empty(self.ring.shape[1:], device=self.job.device).copy_(self.ring[0])
        expected = self.eager(raw).cpu()
        start = time.perf_counter()
        maps = step(raw).cpu()
        facts = {"compile_s": time.perf_counter() - start, "mode": self.options.mode,
                 "map_bytes_unlike_eager": (maps != expected).float().mean().item()}
        return step, facts

    def run(self, name: str) -> Row:
        facts: dict = {}
        if name == "original":
            batches = variants.original(self.network(), self.job)
        else:
            step, facts = self.compiled if name.endswith("compile") else (self.eager, {})
            way = variants.alone if name.startswith("alone") else variants.double_buffered
            batches = way(step, self.ring, self.job)
        try:
            row = measure(batches, self.options)
        finally:
            batches.close()
        return dataclasses.replace(row, name=name, details=row.details | facts)


def run_or_tell(bench: Bench, name: str) -> Row:
    """A variant that fails leaves the others alone."""
    try:
        return bench.run(name)
    except Exception as error:
        traceback.print_exc()
        return Row(name, details={"error": f"{type(error).__name__}: {error}"})
    finally:
        gc.collect()
        if bench.job.device.type == "cuda":
            torch.cuda.empty_cache()


# ---------------------------------------------------------------- telling

def machine(device: str) -> dict:
    on_gpu = device == "cuda"
    return {"device": torch.cuda.get_device_name() if on_gpu else platform.processor() or "CPU",
            "torch": torch.__version__, "cuda": torch.version.cuda if on_gpu else None,
            "cudnn": torch.backends.cudnn.version() if on_gpu else None,
            "python": platform.python_version(), "threads": torch.get_num_threads()}


def table(rows: list[Row], what: str) -> str:
    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    base = rows[0].images_per_s
    lines = [what, "", f"| variant | images/s | of {rows[0].name} | compute idle | compiled in, s |",
             "|---|---|---|---|---|"]
    for row in rows:
        ratio = row.images_per_s / base if base and row.images_per_s else None
        lines.append(f"| {row.name} | {cell(row.images_per_s, '.2f')} | {cell(ratio, '.3f')} "
                     f"| {cell(row.idle, '.1%')} | {cell(row.details.get('compile_s'), '.1f')} |")
    return "\n".join(lines)


def main() -> int:
    options = parse()
    rows = [pnflow_row(path) for path in options.pnflow_json]
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    about = machine(options.device)
    bench = Bench(options)
    for name in options.variants:
        with torch.inference_mode():
            rows.append(run_or_tell(bench, name))
        print(f"{name}: {rows[-1].details}", file=sys.stderr, flush=True)
        if options.json:  # after each, so that a time limit does not take what there is
            options.json.write_text(json.dumps(
                {**about, "command": shlex.join(sys.argv), "options": vars(options),
                 "rows": [dataclasses.asdict(row) for row in rows]}, indent=1, default=str) + "\n")
    print(table(rows, f"PeakNet {options.size}, {options.precision}, batch {options.batch}, "
                      f"{options.height}x{options.width}, {about['device']}, torch "
                      f"{about['torch']}"))
    return int(any("error" in row.details for row in rows))


if __name__ == "__main__":
    sys.exit(main())
