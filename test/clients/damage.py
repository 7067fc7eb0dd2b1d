"""Messages that are damaged in one known way each, with the loss that each has to be booked as."""

from __future__ import annotations

import dataclasses
import io
import struct
import zipfile

import cbor2
import h5py
import numpy as np

from support import messages


@dataclasses.dataclass(frozen=True)
class Damaged:
    kind: str
    parts: list[bytes]  # the frames of the message
    unreadable: str | None = None  # the reason, when the whole message is lost
    failed: tuple[str, int] | None = None  # else the reason and the number of the events lost
    decoded: int = 0  # events of the message, those that fail included


def hdf5(change, image=True) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="earliest") as file:
        if image:
            file.create_dataset("/data/data", data=np.ones((2, 8, 9), "u2"), chunks=(1, 8, 9))
        file["/data/timestamp"] = np.arange(1, 3, dtype="u8") << 32
        change(file)
    return buffer.getvalue()


def hdf5_dataset(**settings) -> bytes:
    return hdf5(lambda file: file.create_dataset("/data/data", **settings), image=False)


def npz(member: bytes | None = None, method=zipfile.ZIP_STORED, name="detector_data.npy") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        if member is None:
            array = io.BytesIO()
            np.save(array, np.ones((2, 8, 9), "u2"))
            member = array.getvalue()
        archive.writestr(name, member)
    return buffer.getvalue()


def npy_header(text: str) -> bytes:
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def flipped(message: bytes, at: int, count: int = 1) -> bytes:
    body = bytearray(message)
    for i in range(at, at + count):
        body[i] ^= 0xFF
    return bytes(body)


def damaged_chunk(message: bytes, path: str, event: int) -> bytes:
    with h5py.File(io.BytesIO(message)) as file:
        for i in range(file[path].id.get_num_chunks()):
            chunk = file[path].id.get_chunk_info(i)
            if chunk.chunk_offset[0] == event:
                return flipped(message, chunk.byte_offset + chunk.size // 2, 4)
    raise ValueError(f"no chunk of event {event}")


def simplon(change) -> bytes:
    message = next(m for m in messages("simplon_two_ranks") if cbor2.loads(m[1:])["type"] == "image")
    fields = cbor2.loads(message[1:])
    change(fields)
    return message[:1] + cbor2.dumps(fields)


def all_kinds() -> list[Damaged]:
    gzip = messages("hdf5_gzip_f32_panels")[0]
    deflate = messages("npz_deflate_batch_f32")[0]
    stored = messages("npz_stored_center_f32")[0]
    npay = messages("npay_none_u16")[0]
    image = simplon(lambda fields: None)
    lz4 = cbor2.loads(image[1:])["compressed_data"]
    # Behind the dtype string of the first field: rank, extents, compression, sizes.
    rank_at = npay.index(b"<u2") + 3
    codec_at = rank_at + 4 + 8 * struct.unpack_from("<I", npay, rank_at)[0]
    lost = lambda kind, message, reason: Damaged(kind, [message], unreadable=reason)  # noqa: E731
    return [
        lost("HDF5 cut", gzip[: len(gzip) // 2], "truncated"),
        lost("HDF5 superblock", gzip[:8] + b"\xc8" + gzip[9:], "damaged metadata"),
        Damaged("HDF5 chunk", [damaged_chunk(gzip, "/data/data", 1)],
                failed=("damaged chunk", 1), decoded=2),
        lost("HDF5 no image", hdf5(lambda file: None, image=False), "missing image"),
        lost("HDF5 complex", hdf5_dataset(data=np.ones((2, 8, 9), "c8")), "wrong dtype"),
        lost("HDF5 int8", hdf5_dataset(data=np.ones((2, 8, 9), "i1")), "wrong dtype"),
        lost("HDF5 lzf", hdf5_dataset(data=np.ones((2, 8, 9), "u2"), compression="lzf",
                                      chunks=(1, 8, 9)), "unknown filter 32000"),
        lost("HDF5 one time too few", hdf5(lambda file: (
            file.__delitem__("/data/timestamp"), file.create_dataset("/data/timestamp", data=[1]))),
            "wrong shape"),
        lost("HDF5 no events", hdf5_dataset(shape=(0, 8, 9), maxshape=(None, 8, 9), dtype="u2"),
             "no events"),
        lost("HDF5 huge", hdf5_dataset(shape=(1 << 30, 1 << 15, 1 << 15), dtype="u2",
                                       chunks=(1, 1 << 10, 1 << 10)), "implausible size"),
        lost("npz cut", deflate[:-30], "truncated"),
        lost("npz no image", npz(name="other.npy"), "missing image"),
        lost("npz huge", npz(npy_header(
            "{'descr': '<u2', 'fortran_order': False, 'shape': (1073741824, 32768, 32768)}")),
            "implausible size"),
        lost("npz complex", npz(npy_header(
            "{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1, 1)}") + bytes(8)),
            "wrong dtype"),
        lost("npz bzip2", npz(method=zipfile.ZIP_BZIP2), "unknown filter 12"),
        Damaged("npz pixel", [flipped(stored, stored.index(b"detector_data.npy") + 4000)],
                failed=("wrong checksum", 2), decoded=2),
        lost("NPAY cut", npay[:-1], "truncated"),
        lost("NPAY version", npay[:4] + struct.pack("<I", 9) + npay[8:], "unsupported layout"),
        lost("NPAY LZ4", npay[:codec_at] + b"\x01" + npay[codec_at + 1 :], "unknown filter 1"),
        lost("NPAY complex", npay.replace(b"<u2", b"<c8", 1), "wrong dtype"),
        lost("Simplon cut", image[:-5], "truncated"),
        lost("Simplon type", simplon(lambda f: f.update(type="picture")), "damaged metadata"),
        lost("Simplon dtype", simplon(lambda f: f.update(dtype="complex64")), "wrong dtype"),
        lost("Simplon no image", simplon(lambda f: f.pop("compressed_data")), "missing image"),
        Damaged("Simplon LZ4", [simplon(lambda f: f.update(compressed_data=lz4[:-9]))],
                failed=("damaged chunk", 1), decoded=1),
        lost("no format", b"\x00 nothing that is known", "unknown format"),
        lost("text", b"message", "unknown format"),
        Damaged("frames", [gzip, gzip], unreadable="several frames"),
    ]
