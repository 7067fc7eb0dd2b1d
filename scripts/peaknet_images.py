"""Detector images for PeakNet: read from files, and normalised as pnflow does it."""

from __future__ import annotations

import pathlib

import numpy as np
import torch
from torch import Tensor

from peaknet import STRIDE


class ImagesError(Exception):
    """What is wrong with a file of images, in a sentence."""


def read_images(path: pathlib.Path) -> np.ndarray:
    """(N, H, W) of a .npy file, or of the largest array of an HDF5 file."""
    try:
        images = np.load(path) if path.suffix == ".npy" else largest_array(path)
    except (OSError, ValueError) as error:
        raise ImagesError(f"cannot read images from '{path}': {error}") from None
    if images.ndim < 2 or any(n == 0 or n % STRIDE for n in images.shape[-2:]):
        raise ImagesError(f"'{path}' holds an array {images.shape}; wanted are images whose height "
                          f"and width are multiples of {STRIDE}")
    return images.reshape(-1, *images.shape[-2:])


def largest_array(path: pathlib.Path) -> np.ndarray:
    import h5py
    import hdf5plugin  # noqa: F401 - makes the filters known to h5py

    arrays: list[h5py.Dataset] = []

    def collect(_name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf":
            arrays.append(item)

    with h5py.File(path) as file:
        file.visititems(collect)
        if not arrays:
            raise ValueError("no array of numbers in it")
        return max(arrays, key=lambda array: array.size)[()]


def normalised(images: np.ndarray, eps: float = 1e-5) -> Tensor:
    """(N, H, W) as infer's `normalize: instance` shows them: float32 (N, 1, H, W), pixels that are
    not finite being 0."""
    seen = np.zeros(images.shape, np.float32)
    for image, out in zip(images.astype(np.float64), seen):
        good = np.isfinite(image)
        values = image[good]
        out[good] = (values - values.mean()) / np.sqrt(values.var() + eps)
    return torch.from_numpy(seen)[:, None]
