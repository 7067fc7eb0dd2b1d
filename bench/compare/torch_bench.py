"""Runs the variants of torch_variants.py and measures them."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gc
import math
import time
import traceback
from collections.abc import Iterator

import torch
from torch import Tensor, nn

import torch_variants as variants
from peaknet import SIZES, PeakNet
from torch_variants import Job, Span

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclasses.dataclass
class Row:
    name: str
    images_per_s: float | None = None
    idle: float | None = None  # share of the time
    details: dict = dataclasses.field(default_factory=dict)


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
    return Row("", len(spans) * options.batch / (now - start), max(0.0, 1 - covered(spans) / wall),
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
            ways = {"alone": variants.alone, "lone": variants.lone}
            way = ways.get(name.split("-")[0], variants.double_buffered)
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
