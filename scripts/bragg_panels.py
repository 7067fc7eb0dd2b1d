"""Labelled panels for training a PeakNet: from files of simulated events, made here, and varied as
physics allows. docs/model.md says what they are and where the figures come from.

Everything is in photons, on one torch device. Random numbers come from a torch.Generator of that
device, so that a seed gives the same panels.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib

import h5py
import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

VISIBLE_SNR = 3.5  # of a reflection that is asked for: S / sqrt(S + B + V) of its 3x3 pixels
READ_NOISE = 0.25 / 9.5  # photons: 0.25 keV where a photon has 9.5
BACKGROUND, PEAK, FAINT, STRAY, BAD = 0, 1, 2, 3, 255  # values of a label
MARGIN = 32  # pixels that shifting may cut off


class BraggError(Exception):
    """What is wrong with a file, in a sentence."""


@dataclasses.dataclass
class Panels:
    """(N, H, W) each."""

    image: Tensor  # photons, float32
    target: Tensor  # bool: pixels of visible reflections and stray spots
    ignored: Tensor  # bool: not in the loss, being too faint to ask for or bad
    bad: Tensor  # bool: masked, so that the network sees 0


@dataclasses.dataclass
class Reflections:
    """The rows of /truth/reflections, a NumPy array for each column."""

    event: np.ndarray
    panel: np.ndarray
    x: np.ndarray  # pixel, fast axis
    y: np.ndarray
    snr: np.ndarray
    background: np.ndarray  # photons a pixel
    asked: np.ndarray  # bool: Bragg, and visible
    visible: np.ndarray  # bool

    def on(self, event: int, panel: int) -> np.ndarray:
        return np.flatnonzero((self.event == event) & (self.panel == panel))

    def places(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([self.x[rows], self.y[rows]], 1)


@dataclasses.dataclass
class BraggEvents:
    """Simulated events and what is known about them; scripts/simulate_bragg.py writes such files."""

    images: np.ndarray  # (N, C, H, W), ADU
    label: np.ndarray  # (N, C, H, W) uint8
    has_crystal: np.ndarray  # (N,) bool
    reflections: Reflections


NEEDED = ("data/data", "truth/label", "truth/is_hit", *(
    f"truth/reflections/{name}"
    for name in ("frame", "panel", "fs", "ss", "snr", "background", "visible", "kind")))


def read_events(path: pathlib.Path) -> BraggEvents:
    try:
        with h5py.File(path) as file:
            if missing := [name for name in NEEDED if name not in file]:
                raise BraggError(f"'{path}' has no {', '.join(missing)}")
            columns = {name: data[()] for name, data in file["truth/reflections"].items()}
            visible = columns["visible"] == 1
            return BraggEvents(
                images=file["data/data"][()], label=file["truth/label"][()],
                has_crystal=file["truth/is_hit"][()].astype(bool),
                reflections=Reflections(
                    event=columns["frame"], panel=columns["panel"], x=columns["fs"],
                    y=columns["ss"], snr=columns["snr"], background=columns["background"],
                    asked=visible & (columns["kind"] == 0), visible=visible))
    except OSError as error:
        raise BraggError(f"cannot read labelled events from '{path}': {error}") from None


# ---------------------------------------------------------------- random fields

class Random:
    """Draws of one device, from one seed."""

    def __init__(self, seed: int, device: str):
        self.generator = torch.Generator(device).manual_seed(seed)
        self.device = device

    def even(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def poisson(self, mean: Tensor) -> Tensor:
        return torch.poisson(mean, generator=self.generator)

    def chance(self, probability: float, *shape: int) -> Tensor:
        return self.even(*shape) < probability

    def below(self, end: int) -> int:
        return int(torch.randint(end, (1,), generator=self.generator, device=self.device))


def background_shape(random: Random, count: int, height: int, width: int) -> Tensor:
    """Around 1: a slope, and for some a ring about a place that need not be on the panel."""
    y = torch.linspace(-1, 1, height, device=random.device)[None, :, None]
    x = torch.linspace(-1, 1, width, device=random.device)[None, None]

    def each() -> Tensor:
        return random.even(count, 1, 1)

    angle = each() * 2 * math.pi
    slope = 1 + each() * 0.57 * (torch.cos(angle) * x + torch.sin(angle) * y)
    centre_x, centre_y = (each() - 0.5) * 6, (each() - 0.5) * 6
    radius = torch.sqrt((x - centre_x) ** 2 + (y - centre_y) ** 2)
    distance = (radius - (0.3 + 3 * each())) / (0.02 + 0.3 * each())
    ring = random.chance(0.4, count, 1, 1) * 3 * each() * torch.exp(-distance ** 2)
    return slope + ring


def signal_of(snr: Tensor, background: Tensor) -> Tensor:
    """Photons S in 3x3 pixels with this SNR = S / sqrt(S + B + V)."""
    square = snr ** 2
    under = 9 * (background + READ_NOISE ** 2)
    return (square + torch.sqrt(square ** 2 + 4 * square * under)) / 2


# ---------------------------------------------------------------- panels of events

class RecordedPanels:
    """Takes panels of events, those with something on them more often, with more background and
    noise than they came with."""

    EMPTY_WEIGHT = 0.4  # of a panel without a peak, where one with a peak has 1

    def __init__(self, events: BraggEvents, numbers: np.ndarray, adu_per_photon: float,
                 random: Random):
        self.random = random
        images, label = events.images[numbers], events.label[numbers]
        panels = (-1, *images.shape[2:])
        device = random.device
        self.images = torch.from_numpy(images.reshape(panels)).to(device)
        self.label = torch.from_numpy(label.reshape(panels)).to(device)
        self.adu_per_photon = adu_per_photon
        reflections = events.reflections
        self.background = torch.tensor(reflections.background, dtype=torch.float32, device=device)
        self.signal = signal_of(
            torch.tensor(reflections.snr, dtype=torch.float32, device=device), self.background)
        owner = np.stack([self.owners(events, number) for number in numbers])
        self.owner = torch.from_numpy(owner.reshape(panels)).to(device)
        lit = (self.owner >= 0).flatten(1).any(1)
        self.weights = torch.where(lit, 1.0, self.EMPTY_WEIGHT)

    @staticmethod
    def owners(events: BraggEvents, number: int) -> np.ndarray:
        """(C, H, W): the row of the reflection that a labelled pixel belongs to, else -1."""
        label, reflections = events.label[number], events.reflections
        owner = np.full(label.shape, -1, np.int32)
        for panel in range(len(label)):
            rows = reflections.on(number, panel)
            rows = rows[reflections.visible[rows]]
            y, x = np.nonzero(np.isin(label[panel], (PEAK, STRAY)))
            if len(rows) and len(y):
                _, nearest = cKDTree(reflections.places(rows)).query(np.stack([x, y], 1))
                owner[panel, y, x] = rows[nearest]
        return owner

    def take(self, count: int) -> Panels:
        random = self.random
        chosen = torch.multinomial(self.weights, count, replacement=True,
                                   generator=random.generator)
        image = self.images[chosen].float()
        label, owner = self.label[chosen], self.owner[chosen].clamp(min=0).long()
        bad = label == BAD
        target = (label == PEAK) | (label == STRAY)
        level = random.chance(0.65, count, 1, 1) * torch.exp(
            1.2 * random.normal(count, 1, 1) - 1.3)
        more = level * background_shape(random, count, *image.shape[1:])
        added = (random.poisson(more) * self.adu_per_photon).round()
        noise = random.chance(0.3, count, 1, 1) * 2 * random.even(count, 1, 1)  # ADU
        image = torch.where(bad, image, image + added + noise * random.normal(*image.shape))
        # What is too faint now is not asked for.
        signal = self.signal[owner]
        snr = signal / torch.sqrt(
            signal + 9 * (self.background[owner] + more + READ_NOISE ** 2))
        ignored = (label == FAINT) | bad | (target & (snr < VISIBLE_SNR))
        return Panels(image / self.adu_per_photon, target, ignored, bad)


# ---------------------------------------------------------------- panels made here

class MadePanels:
    """Spots of all strengths at random places, on backgrounds of all levels: no crystal, detector
    or distance that a network could learn by heart. Labels follow the rule of the events."""

    SPOTS = 40  # of a panel, at most
    BOX = 13  # pixels a side in which a spot is drawn
    PARTS = 3  # a pixel's samples a side

    def __init__(self, height: int, width: int, adu_per_photon: float, random: Random):
        self.height, self.width = height, width
        self.adu_per_photon = adu_per_photon
        self.random = random

    def spots(self, count: int, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Expected photons (N, SPOTS, BOX, BOX), and row and column (N, SPOTS, BOX, BOX) of these
        pixels."""
        random, shape = self.random, (count, self.SPOTS)
        wanted = random.even(count) ** 2 * self.SPOTS * random.chance(0.85, count)
        there = torch.arange(self.SPOTS, device=random.device) < wanted.long()[:, None]
        # An SNR of 2.4 to 72, whatever the background; weak ones are many. A tenth of the light is
        # outside of the 3x3 pixels that count.
        snr = 2.4 * torch.exp(random.even(*shape) ** 1.6 * math.log(30))
        photons = 1.1 * signal_of(snr, level[:, None]) * there
        y = random.even(*shape) * (self.height + 4) - 2
        x = random.even(*shape) * (self.width + 4) - 2
        long = 0.4 + 0.9 * random.even(*shape) ** 1.5  # sigma, pixels
        short = (long * (0.6 + 0.4 * random.even(*shape))).clamp(min=0.38)
        angle = random.even(*shape) * math.pi
        row, column = y.round().long(), x.round().long()
        offset = torch.arange(self.BOX, device=random.device) - self.BOX // 2
        part = (torch.arange(self.PARTS, device=random.device) - self.PARTS // 2) / self.PARTS
        samples = (offset[:, None] + part).flatten()

        def wide(values: Tensor) -> Tensor:
            return values[..., None, None]

        dy = samples[:, None] + wide(row - y)
        dx = samples[None, :] + wide(column - x)
        along = wide(torch.cos(angle)) * dx + wide(torch.sin(angle)) * dy
        across = wide(torch.cos(angle)) * dy - wide(torch.sin(angle)) * dx
        light = torch.exp(-((along / wide(long)) ** 2 + (across / wide(short)) ** 2) / 2)
        light = light.reshape(*shape, self.BOX, self.PARTS, self.BOX, self.PARTS).sum((3, 5))
        light = light / light.sum((2, 3), keepdim=True) * wide(photons)
        return light, wide(row) + offset[:, None], wide(column) + offset[None, :]

    def take(self, count: int) -> Panels:
        random, height, width = self.random, self.height, self.width
        background = background_shape(random, count, height, width) * torch.exp(
            1.2 * random.normal(count, 1, 1) + math.log(0.5))
        background = background.clamp(0.003, 20)
        light, rows, columns = self.spots(count, background.mean((1, 2)))
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        image = torch.arange(count, device=random.device)[:, None, None, None]
        place = (image * height + rows.clamp(0, height - 1)) * width + columns.clamp(0, width - 1)
        expected = torch.zeros(count * height * width, device=random.device)
        expected.index_add_(0, place[inside], light[inside])
        target, ignored = self.labels(light, background.flatten()[place], inside, place)

        shape = (count, height, width)
        gain = 1 + 0.01 * random.normal(*shape)
        adu = random.poisson(background + expected.view(shape)) * self.adu_per_photon * gain
        noisy = random.chance(0.4, count, 1, 1)
        adu = adu + random.normal(*shape) * (0.25 + 2.5 * noisy * random.even(count, 1, 1) ** 2)
        low_gain = adu > 270
        adu = (adu + low_gain * 8 * random.normal(*shape)).round()
        return Panels(adu / self.adu_per_photon, target.view(shape), ignored.view(shape),
                      torch.zeros(shape, dtype=torch.bool, device=random.device))

    def labels(self, light: Tensor, background: Tensor, inside: Tensor,
               place: Tensor) -> tuple[Tensor, Tensor]:
        """Target and ignored, flat: pixels with light of 2% of the brightest, sqrt(B + V) and half
        a photon at least, in the 7x7 about it, if the spot is visible."""
        top, where = light.flatten(2).max(2)
        index = torch.arange(self.BOX, device=light.device)
        dy = (index[:, None] - (where // self.BOX)[..., None, None]).abs()
        dx = (index[None, :] - (where % self.BOX)[..., None, None]).abs()
        core = (dy <= 1) & (dx <= 1) & inside
        signal, under = (light * core).sum((2, 3)), (background * core).sum((2, 3))
        variance = READ_NOISE ** 2
        snr = signal / torch.sqrt(signal + under + 9 * variance)
        least = torch.maximum(0.02 * top[..., None, None], torch.sqrt(background + variance))
        lit = (light >= least.clamp(min=0.5)) & (dy <= 3) & (dx <= 3) & inside
        visible = (snr >= VISIBLE_SNR)[..., None, None]
        target = torch.zeros(background.shape[0] * self.height * self.width, dtype=torch.bool,
                             device=light.device)
        ignored = torch.zeros_like(target)
        target[place[lit & visible]] = True
        ignored[place[(light > 0.3) & inside & ~visible]] = True
        return target, ignored & ~target


# ---------------------------------------------------------------- variation

def with_defects(panels: Panels, random: Random) -> Panels:
    """Zingers and hot pixels that are in no mask, single and double; dead pixels, rows and columns
    that are."""
    count, height, width = panels.image.shape
    each = (count, 1, 1)
    hot = random.even(*panels.image.shape) < 3e-4 * random.even(*each) ** 3
    photons = hot * 1.5 * torch.exp(random.even(*panels.image.shape) * math.log(40))
    double = random.chance(0.5, *each) * random.even(*panels.image.shape)
    photons = torch.maximum(photons, torch.roll(photons, 1, 2) * double)
    image = panels.image + photons * (~panels.bad & ~panels.target)
    dead = random.even(*panels.image.shape) < 0.01 * random.even(*each) ** 3
    dead |= random.chance(0.004, count, height, 1) & random.chance(0.2, *each)
    dead |= random.chance(0.004, count, 1, width) & random.chance(0.2, *each)
    return Panels(image, panels.target, panels.ignored | dead, panels.bad | dead)


def turned(panels: Panels, random: Random) -> Panels:
    """One of the eight symmetries of the square, and a part whose corner lies anywhere."""
    transposed, vertical, horizontal = (random.below(2) for _ in range(3))
    top, left = random.below(MARGIN), random.below(MARGIN)

    def turn(x: Tensor) -> Tensor:
        x = x.transpose(1, 2) if transposed else x
        x = x.flip([axis for axis, flipped in ((1, vertical), (2, horizontal)) if flipped])
        height, width = ((extent - MARGIN) // MARGIN * MARGIN for extent in x.shape[1:])
        return x[:, top:top + height, left:left + width].contiguous()

    return Panels(*(turn(getattr(panels, field.name)) for field in dataclasses.fields(Panels)))


def joined(parts: list[Panels]) -> Panels:
    return Panels(*(torch.cat([getattr(part, field.name) for part in parts])
                    for field in dataclasses.fields(Panels)))
