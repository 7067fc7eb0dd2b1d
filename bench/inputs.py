"""Input that both sides get: captured messages, and simulated events as pnflow makes them."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import subprocess

import h5py
import hdf5plugin  # noqa: F401 - registers bitshuffle and ZFP
import numpy as np

from harness import DATA, PNFLOW, ROOT

SIMULATED = ROOT / "configs" / "simulated.yaml"
FILES = ROOT / "configs" / "files.yaml"
RECORD = ROOT / "configs" / "record.yaml"
SOCKET = ROOT / "configs" / "zmq_null.yaml"


def captured(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((DATA / name).glob("msg_*.bin"))]


@dataclasses.dataclass(frozen=True)
class Simulated:
    """Events of configs/simulated.yaml, one a message: the same ones on both sides, because an
    event depends on its number and the seed only."""
    shape: tuple[int, int, int]
    peaks: int
    count: int = 8

    @property
    def settings(self) -> list[str]:
        return [f"source.shape={list(self.shape)}", f"source.peaks={self.peaks}",
                "source.events_per_message=1", f"source.count={self.count}",
                "peaks.min_num_peak=0", "peaks.max_num_peak=20000"]

    @property
    def text(self) -> str:
        panels, height, width = self.shape
        return f"uint16 {panels}x{height}x{width}, {self.peaks} peaks"

    def events(self, directory: pathlib.Path) -> dict[str, np.ndarray]:
        """Panels of each event, `image` and `segmap` (N, C, H, W), and the rows of `peaks` found,
        from the file that pnflow writes of them."""
        settings = [*self.settings, f"cxi.directory={directory}", "cxi.save_segmap=true",
                    "cxi.compression=none", "cxi.workers=1", "cxi.ordered=true"]
        subprocess.run([PNFLOW, "run", SIMULATED, "--quiet",
                        *[word for value in settings for word in ("--set", value)]], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        [path] = pathlib.Path(directory).glob("*_0*.cxi")
        with h5py.File(path) as file:
            result = file["/entry_1/result_1"]
            found = {"image": file["/entry_1/data_1/data"][:],
                     "segmap": result["segmentation_map"][:]}
            found = {key: value.reshape(self.count, *self.shape) for key, value in found.items()}
            found["peaks"] = np.stack([result["peakYPosRaw"][:], result["peakXPosRaw"][:],
                                       result["peakTotalIntensity"][:]], axis=-1)
        path.unlink()
        return found


def hdf5_message(images: np.ndarray) -> bytes:
    """A message of LCLStreamer's HDF5 serializer, not compressed."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="earliest") as file:
        file.create_dataset("/data/data", data=images, chunks=(1, *images.shape[1:]))
    return buffer.getvalue()
