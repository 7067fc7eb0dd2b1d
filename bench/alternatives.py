"""What one would write in Python in place of a node: one thread, the usual libraries."""

from __future__ import annotations

import io
import os
import pathlib
import tarfile
import time

import cv2
import h5py
import hdf5plugin  # noqa: F401 - registers bitshuffle and ZFP
import numpy as np
import scipy.ndimage

from chain import lit_pixels
from inputs import Simulated

# Each takes an item, does the work, and returns of how many events or messages it was.


def noise_table(random: np.random.Generator) -> np.ndarray:
    """65536 pixels of Poisson background and Gaussian read noise, one for each 16 random bits."""
    values = random.poisson(10.0, 65536) + random.normal(0, 2, 65536)
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)


def simulate(events: Simulated, noise: np.ndarray, random: np.random.Generator) -> int:
    """An event as io/simulation.h makes it: each pixel from the table, and peaks on top."""
    image = noise[random.integers(0, 65536, events.shape, dtype=np.uint16)]
    panels, height, width = events.shape
    offset = np.arange(-5, 6)
    for _ in range(events.peaks):
        panel = random.integers(panels)
        y, x = random.uniform(6, height - 7), random.uniform(6, width - 7)
        rows, columns = int(y) + offset, int(x) + offset
        shape = np.exp(-((rows - y)[:, None] ** 2 + (columns - x) ** 2) / (2 * 1.2 ** 2))
        spot = image[panel, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        spot[:] = np.clip(np.rint(spot + random.uniform(200, 2000) * shape), 0, 65535)
    return 1


def read_hdf5(message: bytes) -> int:
    with h5py.File(io.BytesIO(message)) as file:
        for name in ["timestamp", "wavelength"]:
            if (field := file.get(f"/data/{name}")) is not None:
                field[:]
        return len(file["/data/data"][:])


def read_npz(message: bytes) -> int:
    with np.load(io.BytesIO(message), allow_pickle=False) as archive:
        fields = {name: archive[name] for name in archive.files}
    return len(fields["timestamp"])


def read_data_file(path: pathlib.Path, step: int = 8) -> int:
    with h5py.File(path) as file:
        images = file["/data/data"]
        file["/data/timestamp"][:]
        return sum(len(images[first:first + step]) for first in range(0, len(images), step))


def scipy_map(event: np.ndarray) -> int:
    for panel in event:
        lit_pixels(panel)
    return 1


def scipy_peaks(event: np.ndarray) -> int:
    for panel in event:
        labels, count = scipy.ndimage.label(panel, np.ones((3, 3)))
        scipy.ndimage.center_of_mass(panel, labels, range(1, count + 1))
    return 1


def opencv_peaks(event: np.ndarray) -> int:
    for panel in event:
        cv2.connectedComponentsWithStats(panel, connectivity=8)
    return 1


def write_cxi(images: np.ndarray, peaks: np.ndarray, path: str) -> int:
    """A file of events, their panels stacked (N, C * H, W), with peaks and a few numbers, safe on
    the disk."""
    count = len(images)
    with h5py.File(path, "w") as file:
        file.create_dataset("/entry_1/data_1/data", data=images, chunks=(1, *images.shape[1:]),
                            compression="gzip", compression_opts=1, shuffle=True)
        for i, name in enumerate(["peakYPosRaw", "peakXPosRaw", "peakTotalIntensity"]):
            file[f"/entry_1/result_1/{name}"] = peaks[..., i]
        file["/entry_1/result_1/nPeaks"] = np.count_nonzero(peaks[..., 2], axis=1)
        file["/LCLS/photon_energy_eV"] = np.full(count, 9500.0)
        file["/LCLS/detector_1/timestamp"] = np.arange(count)
    with open(path, "rb") as written:
        os.fsync(written.fileno())
    return count


def write_record(messages: list[bytes], path: pathlib.Path, count: int = 400) -> int:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for number in range(count):
            message = messages[number % len(messages)]
            member = tarfile.TarInfo(f"message_{number:010}.bin")
            member.size, member.mtime = len(message), time.time()
            archive.addfile(member, io.BytesIO(message))
    with open(path, "rb") as written:
        os.fsync(written.fileno())
    return count


def read_record(path: pathlib.Path) -> int:
    with tarfile.open(path) as archive:
        return sum(bool(archive.extractfile(member).read()) for member in archive)
