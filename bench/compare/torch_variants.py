"""Ways to run PeakNet over a stream of images in Python. Each is a generator without an end that
yields, for each batch that is done, the span of time in which the device computed it.

All are to be run in inference mode.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import multiprocessing
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from simulated_image import simulated_image

Span = tuple[float, float]  # seconds since some moment of the variant's own

AHEAD = 4  # batches that `alone` has enqueued at most
QUEUED = 4  # batches in each queue between processes
LONGEST = 120  # seconds for which `original` waits for its producer


@dataclasses.dataclass(frozen=True)
class Job:
    device: torch.device
    dtype: torch.dtype
    batch: int
    height: int
    width: int
    images: int  # different ones, in the host's memory
    buffers: int  # sets of them
    preloaded_pinned: bool  # the images are in pinned memory from the start


def image_ring(job: Job) -> np.ndarray:
    """(batches, batch, 1, H, W), float32: a simulated image, shifted round by something else each
    time."""
    image = simulated_image(job.height, job.width).astype(np.float32)
    ring = np.empty((-(-job.images // job.batch), job.batch, 1, *image.shape), np.float32)
    for i, out in enumerate(ring.reshape(-1, *image.shape)):
        out[:] = np.roll(image, (37 * i, 101 * i), axis=(0, 1))
    return ring


# ---------------------------------------------------------------- what is computed

def normalised(raw: Tensor) -> Tensor:
    """Each image by its own mean and variance."""
    variance, mean = torch.var_mean(raw, dim=(-2, -1), correction=0, keepdim=True)
    return (raw - mean) * torch.rsqrt(variance + 1e-5)


class Step(nn.Module):
    """From raw float32 images (N, 1, H, W) to where class 1 is, uint8 (N, H, W / 8), a bit a pixel.
    """

    def __init__(self, network: nn.Module, job: Job):
        super().__init__()
        self.dtype = job.dtype
        self.network = network.to(job.device, job.dtype, memory_format=torch.channels_last)
        self.register_buffer("bits", torch.tensor([1 << i for i in range(8)], dtype=torch.uint8,
                                                  device=job.device))

    def forward(self, raw: Tensor) -> Tensor:
        images = normalised(raw).to(self.dtype, memory_format=torch.channels_last)
        logits = self.network(images)
        peaks = logits[:, 1] > logits[:, 0]
        return (peaks.unflatten(-1, (-1, 8)) * self.bits).sum(-1, dtype=torch.uint8)


# ---------------------------------------------------------------- time

class HostEvent(torch.cpu.Event):
    """In place of a CUDA event, on a device that has done everything when a call returns."""

    def record(self, stream: torch.cpu.Stream | None = None) -> None:
        self.time = time.perf_counter()

    def elapsed_time(self, end: HostEvent) -> float:
        return 1e3 * (end.time - self.time)


class SpanClock:
    """Makes the events between which the device computes, and tells when that was."""

    def __init__(self, device: torch.device):
        self.on_gpu = device.type == "cuda"
        self.origin = self.event()
        self.origin.record()

    def event(self) -> torch.cuda.Event | HostEvent:
        return torch.cuda.Event(enable_timing=True) if self.on_gpu else HostEvent()

    def span(self, begin: torch.cuda.Event | HostEvent, end: torch.cuda.Event | HostEvent) -> Span:
        """Of events that the host has waited for."""
        return tuple(1e-3 * self.origin.elapsed_time(event) for event in (begin, end))


# ---------------------------------------------------------------- the variants

def alone(step: nn.Module, ring: Tensor, job: Job) -> Iterator[Span]:
    """The computation only: images are on the device, and batches enqueued back to back."""
    raw = ring[0].to(job.device)
    clock = SpanClock(job.device)
    enqueued = collections.deque()
    while True:
        begin, end = clock.event(), clock.event()
        begin.record()
        step(raw)
        end.record()
        enqueued.append((begin, end))
        if len(enqueued) == AHEAD:
            begin, end = enqueued.popleft()
            end.synchronize()
            yield clock.span(begin, end)


def lone(step: nn.Module, ring: Tensor, job: Job) -> Iterator[Span]:
    """A batch goes up, is computed and comes down before the next one does: its latency."""
    clock = SpanClock(job.device)
    buffers = BufferSet(job, clock)
    for batch in itertools.cycle(ring):
        buffers.host_raw.copy_(batch)
        buffers.raw.copy_(buffers.host_raw, non_blocking=True)
        begin, end = clock.event(), clock.event()
        begin.record()
        maps = step(buffers.raw)
        end.record()
        buffers.host_maps.copy_(maps, non_blocking=True)
        torch.get_device_module(job.device).synchronize()
        yield clock.span(begin, end)


class BufferSet:
    """What one batch uses on its way, from the copy into pinned memory to its maps."""

    def __init__(self, job: Job, clock: SpanClock):
        pinned = job.device.type == "cuda"
        raw, maps = ((job.batch, 1, job.height, job.width),
                     (job.batch, job.height, job.width // 8))
        self.host_raw = torch.empty(raw, pin_memory=pinned)
        self.raw = torch.empty(raw, device=job.device)
        self.maps = torch.empty(maps, dtype=torch.uint8, device=job.device)
        self.host_maps = torch.empty(maps, dtype=torch.uint8, pin_memory=pinned)
        self.up, self.begin, self.end, self.down = (clock.event() for _ in range(4))


def double_buffered(step: nn.Module, ring: Tensor, job: Job) -> Iterator[Span]:
    """Images go up, are computed, and maps come down on a stream each, for several sets of buffers;
    the host waits for nothing but the oldest batch's maps."""
    streams = torch.get_device_module(job.device)
    up, compute, down = (streams.Stream() for _ in range(3))
    clock = SpanClock(job.device)
    free = [BufferSet(job, clock) for _ in range(job.buffers)]
    streams.synchronize()
    under_way = collections.deque()
    with contextlib.ExitStack() as at_end:
        at_end.callback(streams.synchronize)
        for batch in itertools.cycle(ring):
            if not free:
                done = under_way.popleft()
                done.down.synchronize()
                done.host_maps.clone()  # for whoever looks for peaks in them
                yield clock.span(done.begin, done.end)
                free.append(done)
            buffers = free.pop()
            source = batch if job.preloaded_pinned else buffers.host_raw.copy_(batch)
            with streams.stream(up):
                buffers.raw.copy_(source, non_blocking=True)
                buffers.up.record(up)
            with streams.stream(compute):
                buffers.up.wait(compute)
                buffers.begin.record(compute)
                buffers.maps.copy_(step(buffers.raw))
                buffers.end.record(compute)
            with streams.stream(down):
                buffers.end.wait(down)
                buffers.host_maps.copy_(buffers.maps, non_blocking=True)
                buffers.down.record(down)
            under_way.append(buffers)


def original(network: nn.Module, job: Job) -> Iterator[Span]:
    """The pipeline that pnflow replaces: batches are pickled from process to process, every copy is
    from or to pageable memory and waited for, and the host decides from float32 logits."""
    spawn = multiprocessing.get_context("spawn")  # a forked process could not use a GPU
    images, maps = spawn.Queue(QUEUED), spawn.Queue(QUEUED)
    processes = [spawn.Process(target=produce, args=(images, job), daemon=True),
                 spawn.Process(target=consume, args=(maps,), daemon=True)]
    for process in processes:
        process.start()
    network = network.to(job.device)
    clock = SpanClock(job.device)
    begin, end = clock.event(), clock.event()
    try:
        while True:
            raw = torch.from_numpy(images.get(timeout=LONGEST)).to(job.device)
            begin.record()
            with torch.autocast(job.device.type, job.dtype, enabled=job.dtype != torch.float32):
                logits = network(normalised(raw))
            logits = logits.float()
            end.record()
            maps.put(logits.cpu().argmax(dim=1).to(torch.uint8).numpy())
            yield clock.span(begin, end)
    finally:
        maps.cancel_join_thread()
        for process in processes:
            process.terminate()
            process.join()


def produce(images: multiprocessing.Queue, job: Job) -> None:
    for batch in itertools.cycle(image_ring(job)):
        images.put(batch)


def consume(maps: multiprocessing.Queue) -> None:
    while True:
        maps.get()
