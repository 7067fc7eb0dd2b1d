#!/usr/bin/env python3
"""Trains a PeakNet on labelled events, and on panels made on the way.

    scripts/train_peaknet.py train.h5 --output models
    scripts/train_peaknet.py train.h5 --output models --device cuda --seed 1

Writes peaknet_SIZE.safetensors (a state dict), and peaknet_SIZE_training.csv: steps, loss, and
recall and precision on the part of the events that training does not see. The weights kept are the
best of these; the last layer's bias is moved so that class 1 has the precision that is asked for,
there and in files of other events, as scripts/simulate_bragg.py makes them (--decide-on). Then
scripts/export_peaknet.py makes TorchScript of them. docs/model.md has data, method and scores.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import peak_score
import peaknet_weights
from bragg_panels import (BAD, BraggError, BraggEvents, MadePanels, Panels, Random, RecordedPanels,
                          joined, read_events, turned, with_defects)
from peaknet import SIZES, PeakNet

MIN_PIXELS = 2  # of a peak, when held-out events are scored
SHIFTS = np.arange(-1.5, 1.01, 0.1)  # of the decision, tried at the end
CHECKS = 5  # of the held-out events, while training
AVERAGING = 0.998  # of weights: how much of the average stays, a step
PEAK_WEIGHT = 3  # of a peak's pixel, where background has 1
WARM_UP = 100  # steps at most, and a twentieth of all


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("events", type=pathlib.Path, help="HDF5 file of labelled events")
    add("--output", type=pathlib.Path, default=pathlib.Path("."), help="directory (default .)")
    add("--size", choices=SIZES, default="small", help="of the network (default small)")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="(default cpu)")
    add("--seed", type=int, default=1, help="of everything that is drawn (default 1)")
    add("--steps", type=int, default=4000, help="(default 4000)")
    add("--batch", type=int, default=32, help="panels in a step (default 32)")
    add("--made", type=float, default=0.75, help="share of panels made on the way (default 0.75)")
    add("--rate", type=float, default=2e-3, help="highest learning rate (default 2e-3)")
    add("--held-out", type=int, default=6, metavar="N",
        help="every N-th event is left out of training, to stop early and to set the decision "
             "(default 6)")
    add("--decide-on", type=pathlib.Path, nargs="*", default=[], metavar="FILE",
        help="of further events, to set the decision")
    add("--precision", type=float, default=0.99,
        help="to have on the events held out and in each such file (default 0.99)")
    add("--adu-per-photon", type=float, default=9.5, help="of the events (default 9.5)")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no GPU here")
    if options.held_out < 2 or options.steps < 1 or options.batch < 1:
        parser.error("--held-out must be 2 or more, --steps and --batch 1 or more")
    if not 0 <= options.made <= 1:
        parser.error("--made must be 0 to 1")
    return options


# ---------------------------------------------------------------- the network

@torch.no_grad()
def start_weights(network: PeakNet) -> None:
    """Variance is kept from layer to layer; blocks begin near the identity; hardly anything is
    class 1."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            inputs = peaknet_weights.inputs_of(module)
            nn.init.trunc_normal_(module.weight, std=1 / math.sqrt(inputs))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for stage in network.backbone.encoder.stages:
        for block in stage.layers:
            block.pwconv2.weight *= 0.3
    # What the stem's norm is to compare pixels with.
    nn.init.normal_(network.backbone.embeddings.patch_embeddings.bias, std=0.5)
    network.head_segmask.weight *= 0.2
    network.head_segmask.bias.copy_(torch.tensor([3.0, -3.0]))
    if network.head_upsample_layer is not None:
        network.head_upsample_layer[0].weight *= 0.2


def difference(logits: Tensor) -> Tensor:
    """Class 1 - class 0, (N, H, W)."""
    return (logits[:, 1] - logits[:, 0]).float()


def loss_of(decision: Tensor, panels: Panels) -> Tensor:
    """Cross entropy for each peak's pixel, and Dice's coefficient: among 10,000 pixels 3 are a
    peak's, so neither is a mean over all of them."""
    counts = (~panels.ignored).float()
    target = panels.target.float()
    weight = torch.tensor(float(PEAK_WEIGHT), device=decision.device)
    entropy = F.binary_cross_entropy_with_logits(decision, target, reduction="none",
                                                 pos_weight=weight)
    share = torch.sigmoid(decision) * counts
    hit, asked = (share * target).sum(), (target * counts).sum()
    dice = 1 - (2 * hit + 1) / (share.sum() + asked + 1)
    return (entropy * counts).sum() / asked.clamp(min=50) + 0.5 * dice


def shown(image: Tensor, bad: Tensor) -> Tensor:
    """What the network sees, (N, 1, H, W)."""
    # The rule of gpu/anscombe.h.
    seen = 2 * (torch.sqrt(image.clamp(min=0) + 3 / 8) - math.sqrt(3 / 8))
    seen = torch.where(bad, torch.zeros_like(image), seen)
    return seen[:, None].contiguous(memory_format=torch.channels_last)


# ---------------------------------------------------------------- training

class Training:
    def __init__(self, events: BraggEvents, options: argparse.Namespace):
        self.events, self.options = events, options
        numbers = np.arange(len(events.images))
        out = numbers % options.held_out == options.held_out - 1
        self.held_out = numbers[out]
        torch.manual_seed(options.seed)
        self.random = Random(options.seed, options.device)
        self.recorded = RecordedPanels(events, numbers[~out], options.adu_per_photon, self.random)
        self.made = MadePanels(*events.images.shape[2:], options.adu_per_photon, self.random)
        network = PeakNet(SIZES[options.size])
        start_weights(network)
        self.network = network.to(options.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
            lr=options.rate, betas=(0.9, 0.99))

    def panels(self) -> Panels:
        made = round(self.options.batch * self.options.made)
        parts = [source.take(count) for source, count in
                 ((self.recorded, self.options.batch - made), (self.made, made)) if count]
        panels = turned(with_defects(joined(parts), self.random), self.random)
        # Detectors are not calibrated better than this.
        panels.image = panels.image * torch.exp(0.1 * self.random.normal(len(panels.image), 1, 1))
        return panels

    def step(self, number: int) -> Tensor:
        options = self.options
        warm_up = min(WARM_UP, options.steps // 20 + 1)
        rate = options.rate * min(1.0, (number + 1) / warm_up)
        rate *= 0.5 + 0.5 * math.cos(math.pi * number / options.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        panels = self.panels()
        with torch.autocast(options.device, torch.bfloat16, enabled=options.device == "cuda"):
            logits = self.network(shown(panels.image, panels.bad))
        loss = loss_of(difference(logits), panels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.follow(min(AVERAGING, 1 - 1 / (number + 2)))
        return loss.detach()

    @torch.no_grad()
    def follow(self, keep: float) -> None:
        averages = list(self.average.parameters())
        torch._foreach_lerp_(averages, list(self.network.parameters()), 1 - keep)

    @torch.no_grad()
    def decisions(self, events: BraggEvents, numbers: np.ndarray) -> np.ndarray:
        """Of these events, (N, C, H, W)."""
        found = []
        for number in numbers:
            image = torch.from_numpy(events.images[number]).to(self.options.device).float()
            bad = torch.from_numpy(events.label[number] == BAD).to(self.options.device)
            logits = self.average(shown(image / self.options.adu_per_photon, bad))
            found.append(difference(logits).cpu().numpy())
        return np.stack(found)

    def held_out_score(self) -> peak_score.Score:
        maps = self.decisions(self.events, self.held_out) > 0
        return peak_score.score(maps, self.held_out, self.events, MIN_PIXELS)

    def run(self, log: csv.DictWriter) -> None:
        steps = self.options.steps
        best, best_f1 = copy.deepcopy(self.average.state_dict()), -1.0
        losses: list[Tensor] = []
        start = time.monotonic()
        for number in range(steps):
            losses.append(self.step(number))
            done = number + 1
            if done % max(steps // CHECKS, 1) and done < steps:
                continue
            score = self.held_out_score()
            loss = torch.stack(losses).mean().item()
            losses.clear()
            log.writerow({"step": done, "loss": f"{loss:.4f}", "recall": f"{score.recall:.4f}",
                          "precision": f"{score.precision:.4f}"})
            print(f"step {done}, {time.monotonic() - start:.0f} s: loss {loss:.4f}, held out: "
                  f"recall {score.recall:.4f}, precision {score.precision:.4f}", flush=True)
            if score.f1 > best_f1:
                best, best_f1 = copy.deepcopy(self.average.state_dict()), score.f1
        self.average.load_state_dict(best)

    def decide(self, others: dict[str, BraggEvents]) -> None:
        """Moves the decision to where the most is found with the precision asked for, on the events
        held out and on `others`."""
        sets = {"held out": (self.events, self.held_out)}
        sets |= {name: (events, np.arange(len(events.images))) for name, events in others.items()}
        scores = {}
        for name, (events, numbers) in sets.items():
            decisions = self.decisions(events, numbers)
            scores[name] = [peak_score.score(decisions + shift > 0, numbers, events, MIN_PIXELS)
                            for shift in SHIFTS]
        lowest = [min(s.precision for s in at) for at in zip(*scores.values(), strict=True)]
        good = [i for i, precision in enumerate(lowest) if precision >= self.options.precision]
        if not good:
            good = [int(np.argmax(lowest))]
        best = max(good, key=lambda i: (sum(s[i].matched for s in scores.values()), -i))
        with torch.no_grad():
            self.average.head_segmask.bias += torch.tensor(
                [-0.5, 0.5], device=self.options.device) * SHIFTS[best]
        print(f"decision moved by {SHIFTS[best]:+.1f}")
        for name, score in scores.items():
            print(f"  {name}: recall {score[best].recall:.4f}, precision "
                  f"{score[best].precision:.4f}")


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        events = read_events(options.events)
        others = {str(path): read_events(path) for path in options.decide_on}
    except BraggError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if len(events.images) < options.held_out:
        print(f"error: '{options.events}' has {len(events.images)} events, of which none would be "
              f"held out: --held-out {options.held_out}", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    training = Training(events, options)
    stem = options.output / f"peaknet_{options.size}"
    with open(f"{stem}_training.csv", "w", newline="") as file:
        log = csv.DictWriter(file, ["step", "loss", "recall", "precision"], lineterminator="\n")
        log.writeheader()
        training.run(log)
    training.decide(others)
    path = pathlib.Path(f"{stem}.safetensors")
    peaknet_weights.save(training.average, path)
    print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
