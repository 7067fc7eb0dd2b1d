"""What goes into `infer` and comes out: images as of a detector, their messages and masks, and the
maps and logits in CXI files."""

from __future__ import annotations

import json
import os
import pathlib
import zipfile

import h5py
import numpy as np
import pytest
import scipy.ndimage

from chains import chain
from cxi import RESULTS, STAMPS, cxi_files
from peers import Push
from support import ROOT, Run, hdf5_message, node

# Where export_peaknet.py has put PeakNet base, as TorchScript and as a package for GPUs in bfloat16.
EXPORTED = (pathlib.Path(os.environ["PNFLOW_TEST_MODELS"]) if "PNFLOW_TEST_MODELS" in os.environ
            else None)
SHIPPED_WEIGHTS = ROOT / "models" / "peaknet_small.safetensors"
START = 1_700_000_000 << 32  # the time stamp of event 0; event n has START + n


def detector_images(random, shape, dtype) -> np.ndarray:
    """Events of (panels, H, W) or (H, W): photons of 10 ADU, spots, single hot pixels, and, where
    the type has them, pixels that are not finite."""
    images = 10.0 * random.poisson(0.3, shape) + random.integers(0, 5, shape)
    if images.size > len(images):
        spots = np.where(random.random(shape) < 0.01, random.uniform(30, 500, shape), 0)
        blur = [0] * (images.ndim - 2) + [0.7, 0.7]
        images += scipy.ndimage.gaussian_filter(spots, blur) * 3
        images[random.random(shape) < 0.002] += 300
    if np.issubdtype(dtype, np.signedinteger):
        images -= 15
    images = images.astype(dtype)
    if np.issubdtype(dtype, np.floating):
        images += random.normal(0, 1, shape).astype(dtype)
        for value in (np.nan, np.inf, -np.inf):
            images[random.random(shape) < 0.003] = value
    return images


def message(images: np.ndarray, first: int) -> bytes:
    """Event number `first` and those that follow it."""
    stamps = START + int(first) + np.arange(len(images), dtype=np.uint64)
    return hdf5_message(images, timestamp=stamps, wavelength=np.full(len(images), 1.3))


def stream_of(batches: list[np.ndarray]) -> tuple[list[bytes], list[np.ndarray]]:
    """Messages, and their events one after the other."""
    firsts = np.cumsum([0] + [len(batch) for batch in batches])
    return ([message(batch, first) for batch, first in zip(batches, firsts)],
            [event for batch in batches for event in batch])


def write_mask(path, bad: np.ndarray):
    with h5py.File(path, "w") as file:
        file["/mask"] = bad.astype(np.uint8)
    return str(path)


def with_metadata(package, target, **changes):
    """A copy of an AOTInductor package whose metadata say something else."""
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(target, "w") as new:
        changed = 0
        for item in old.infolist():
            content = old.read(item)
            if item.filename.endswith("_metadata.json"):
                content = json.dumps({**json.loads(content), **changes}).encode()
                changed += 1
            new.writestr(item, content)
        assert changed
    return target


ADU_PER_PHOTON = 9.5  # where 'normalize' is one of PHOTONS
PHOTONS = ("photons", "anscombe")


def prepared(panel, bad, normalize, pad, eps=1e-5):
    """One panel as gpu/engine_settings.h says that a network sees it, and where it lies there."""
    height, width = panel.shape
    map_height, map_width = (pad["height"], pad["width"]) if pad else panel.shape
    top = left = 0
    if pad and pad["style"] == "center":
        top, left = (map_height - height) // 2, (map_width - width) // 2
    inside = (slice(top, top + height), slice(left, left + width))
    good = ~bad & (np.abs(panel) <= np.finfo(np.float32).max)
    values = panel[good].astype(np.float64)
    seen = np.zeros((map_height, map_width))
    if not good.any():
        return seen.astype(np.float32), inside
    if normalize == "instance_padded":  # the padding's zeros count, and are shifted like pixels
        values = np.concatenate([values, np.zeros(seen.size - panel.size)])
        seen[:] = -values.mean() / np.sqrt(values.var() + eps)
    mean, sigma = {"none": (0, 1), **dict.fromkeys(PHOTONS, (0, ADU_PER_PHOTON))}.get(
        normalize, (values.mean(), np.sqrt(values.var() + eps)))
    seen[inside] = (np.where(good, panel, 0).astype(np.float64) - mean) / sigma
    if normalize == "anscombe":
        seen[inside] = 2 * np.sqrt(np.maximum(seen[inside], 0) + 3 / 8) - 2 * np.sqrt(3 / 8)
    seen[inside][~good] = 0
    return seen.astype(np.float32), inside


def shipped_network():
    """The one that comes with pnflow, in PyTorch, in float32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        import peaknet
        import peaknet_weights
    network = peaknet.PeakNet(peaknet.SIZES["small"]).eval()
    peaknet_weights.load(network, peaknet_weights.read_state_dict(SHIPPED_WEIGHTS))
    return network


def logits_of(torch, network, seen):
    """(2, H, W), of an image of any size: padded to the network's stride and cropped again."""
    stride = 8 * network.patch_size
    height, width = seen.shape
    padded = np.pad(seen, ((0, -height % stride), (0, -width % stride)))
    with torch.inference_mode():
        images = torch.from_numpy(padded)[None, None].to(next(network.parameters()))
        return network(images)[0, :, :height, :width].cpu().numpy()


class Result:
    """What is in the CXI files of a run, by event: `maps` (rows, W), `logits` (2, rows, W)."""

    def __init__(self, directory, report):
        self.report = report
        self.maps, self.logits, self.peaks = {}, {}, {}
        for path in cxi_files(directory):
            with h5py.File(path) as file:
                results = file[RESULTS]
                for i, stamp in enumerate(file[STAMPS][:]):
                    event = int(stamp) - START
                    self.maps[event] = results["segmentation_map"][i]
                    self.peaks[event] = int(results["nPeaks"][i])
                    if "logit_map_class0" in results:
                        self.logits[event] = np.stack(
                            [results[f"logit_map_class{c}"][i] for c in (0, 1)])


def figures(report: dict) -> list[dict]:
    """Of each pipeline on a GPU."""
    return [{name: figure["value"] for name, figure in group.items()}
            for group in node(report, "infer")["figures"].values()]


def infer(directory, stream: list[bytes], settings: dict, **changes) -> Result:
    """`changes` are chain()'s."""
    cxi = {"save_segmap": True, "save_logits": settings.get("logits", False)}
    with Run(directory, chain(infer=settings, cxi=cxi, **changes)) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(stream)
        return Result(directory, run.finish())
