#!/usr/bin/env python3
"""Whether the network that comes with pnflow gives the segmentation that PyTorch gives, on all events
of a file of simulated ones.

    .venv/bin/python bench/segmentation.py EVENTS.h5 MASK.h5 [--precision bfloat16]

Runs configs/peaknet.yaml and configs/peaknet-torchscript.yaml over the events and compares every pixel of
their maps with scripts/peaknet.py in float32, in PyTorch with one thread. Its input is made by NumPy,
by the rule of gpu/anscombe.h. Ends with 1 when a pixel differs, in float32.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile

import h5py
import hdf5plugin  # noqa: F401 - makes the filters known to h5py
import numpy as np
import torch

from harness import PNFLOW, ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import peaknet_weights  # noqa: E402
from peaknet import SIZES, PeakNet  # noqa: E402

ADU_PER_PHOTON = 9.5
ENGINES = {"peaknet": "peaknet", "peaknet-torchscript": "torchscript"}  # of the configs


def run(name: str, options: argparse.Namespace, directory: str) -> dict[int, np.ndarray]:
    """The map of each event by its time stamp, (rows, W) bool."""
    settings = [f"source.files=[{options.events}]", f"infer.mask={options.mask}",
                f"infer.precision={options.precision}", f"cxi.directory={directory}",
                "cxi.save_segmap=true"]
    subprocess.run([PNFLOW, "run", ROOT / "configs" / f"{name}.yaml", "--quiet",
                    *[word for setting in settings for word in ("--set", setting)]],
                   check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    maps = {}
    for path in pathlib.Path(directory).glob("*_?????.cxi"):
        with h5py.File(path) as file:
            for i, stamp in enumerate(file["/LCLS/detector_1/timestamp"][()]):
                maps[int(stamp)] = file["/entry_1/result_1/segmentation_map"][i] != 0
    return maps


def in_pytorch(network: torch.nn.Module, event: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """(C, H, W) bool."""
    photons = (event.astype(np.float64) * (1 / ADU_PER_PHOTON)).astype(np.float32)
    seen = 2 * np.sqrt(np.maximum(photons, 0) + np.float32(0.375)) - np.float32(1.2247449)
    seen[bad] = 0
    found = []
    with torch.inference_mode():
        for panel in torch.from_numpy(seen):
            logits = network(panel[None, None])[0]
            found.append((logits[1] > logits[0]).numpy())
    return np.stack(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=pathlib.Path)
    parser.add_argument("mask", type=pathlib.Path)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    options = parser.parse_args()
    options.events, options.mask = options.events.resolve(), options.mask.resolve()
    torch.set_num_threads(1)
    network = PeakNet(SIZES["small"]).eval()
    peaknet_weights.load(network, peaknet_weights.read_state_dict(
        ROOT / "models" / "peaknet_small.safetensors"))
    with h5py.File(options.events) as file, h5py.File(options.mask) as mask:
        images, stamps, bad = file["data/data"][()], file["data/timestamp"][()], mask["mask"][()] != 0
    wanted = {int(stamp): in_pytorch(network, image, bad)
              for stamp, image in zip(stamps, images, strict=True)}
    differing = 0
    for name, engine in ENGINES.items():
        with tempfile.TemporaryDirectory() as directory:
            found = run(name, options, directory)
        assert found.keys() == wanted.keys(), "an event is missing"
        here = sum(int((found[stamp].reshape(one.shape) != one).sum())
                   for stamp, one in wanted.items())
        print(f"{engine}, {options.precision}: {len(found)} events of "
              f"{' x '.join(map(str, images.shape[1:]))}: {sum(o.sum() for o in wanted.values()):,} "
              f"of {images.size:,} pixels are peaks, {here:,} differ", flush=True)
        differing += here
    return int(differing > 0 and options.precision == "float32")


if __name__ == "__main__":
    sys.exit(main())
