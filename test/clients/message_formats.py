"""Messages of every format as NumPy, h5py, cbor2 and hdf5plugin read them, and data files as h5py
writes them."""

from __future__ import annotations

import io
import struct

import cbor2
import h5py
import hdf5plugin
import numpy as np
import pytest


def of_hdf5(message: bytes) -> dict:
    with h5py.File(io.BytesIO(message)) as file:
        return {name: value[()] for name, value in file["data"].items()}


def of_npz(message: bytes) -> dict:
    with np.load(io.BytesIO(message), allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    renamed = {"detector_data": "data", "photon_wavelength": "wavelength"}
    return {renamed.get(name, name): value for name, value in found.items()}


def read_npay(message: bytes) -> dict[str, np.ndarray]:
    """The arrays under their names. The layout is in test/data/README.md."""
    stream = io.BytesIO(message)

    def take(form):
        return struct.unpack(f"<{form}", stream.read(struct.calcsize(f"<{form}")))

    def text():
        return stream.read(*take("I")).decode()

    assert stream.read(4) == b"YAPN"
    version, count = take("II")
    assert version == 1
    arrays = {}
    for _ in range(count):
        name, dtype = text(), np.dtype(text())
        shape = take(f"{take('I')[0]}q")
        method, size, stored = take("BQQ")
        assert method == 0 and size == stored == dtype.itemsize * np.prod(shape)
        arrays[name] = np.frombuffer(stream.read(size), dtype).reshape(shape)
    assert not stream.read()
    return arrays


def of_npay(message: bytes) -> dict:
    return {name.removeprefix("/data/"): value for name, value in read_npay(message).items()}


def of_simplon(messages: list[bytes]) -> tuple[dict, list[dict], dict]:
    """The start, what each image holds, the stop."""
    assert [message[:1] for message in messages] == [b"c"] + [b"m"] * (len(messages) - 2) + [b"c"]
    start, *images, stop = (cbor2.loads(message[1:]) for message in messages)
    assert (start["type"], stop["type"]) == ("start", "stop")
    assert start["algorithm"] == "bitshuffle-lz4"
    shape = tuple(map(int, start["shape"].split("x")))
    dtype = np.dtype(start["datatype"])
    for image in images:
        assert image["type"] == "image" and image["dtype"] == start["datatype"]
        assert image["run"] == start["run_number"] == stop["run"]
        count = int(np.prod(shape))
        # What HDF5 has in front of the same blocks.
        header = struct.pack(">QI", count * dtype.itemsize, 4096 * dtype.itemsize)
        with h5py.File("memory", "w", driver="core", backing_store=False) as file:
            data = file.create_dataset("x", (count,), dtype, chunks=(count,),
                                       **hdf5plugin.Bitshuffle(cname="lz4"))
            data.id.write_direct_chunk((0,), header + image["compressed_data"])
            image["pixels"] = data[()].reshape(shape)
        assert image["sum"] == pytest.approx(image["pixels"].sum(dtype=np.float64), rel=1e-12)
    return start, images, stop


READERS = {"hdf5": of_hdf5, "npz": of_npz, "npay": of_npay}


def concatenated(messages) -> dict:
    messages = list(messages)
    return {name: np.concatenate([message[name] for message in messages]) for name in messages[0]}


def write_data_file(path, images, **fields):
    with h5py.File(path, "w") as file:
        file.create_dataset("/data/data", data=images, chunks=(1, *images.shape[1:]),
                            compression="gzip", shuffle=True)
        for name, values in fields.items():
            file[f"/data/{name}"] = values


def cxi_file(path, images, stamps, energies):
    """As pnflow's own writer lays it out, made by h5py."""
    with h5py.File(path, "w") as file:
        file.create_dataset("/entry_1/data_1/data", data=images, chunks=(1, *images.shape[1:]))
        file["/LCLS/detector_1/timestamp"] = stamps
        file["/LCLS/photon_energy_eV"] = energies
