#!/usr/bin/env python3
"""Seeds for the fuzz targets: small captured messages, smaller ones made from their pixels, and
other files that pnflow reads.

    make_seeds.py DIRECTORY     writes DIRECTORY/TARGET/..., one directory for each target
"""

from __future__ import annotations

import collections
import io
import json
import pathlib
import struct
import sys
import zipfile

import h5py
import hdf5plugin
import numpy as np

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(TEST / "clients"))
DATA = TEST / "data"
SETS = DATA / "lclstreamer"
LARGEST = 60_000  # bytes of a captured message that is taken as it is

# Filters as LCLStreamer sets them.
HDF5_FILTERS = {
    "none": {},
    "gzip": {"compression": "gzip", "compression_opts": 3},
    "shuffle": {"compression": "gzip", "compression_opts": 3, "shuffle": True},
    "checksum": {"shuffle": True, "fletcher32": True},
    "lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "zstd": hdf5plugin.Bitshuffle(cname="zstd", clevel=5),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "zfp": hdf5plugin.Zfp(),
}
# As codecs.cpp numbers them.
(INFLATE, INFLATE_RAW, BEGINNING, UNSHUFFLE, FLETCHER, BLOCKS, BITSHUFFLE, ZFP, ENCODE,
 PIPELINE) = range(10)
DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def small_arrays(dtype) -> dict[str, np.ndarray]:
    """Two events of 2 panels, 7 x 9 pixels, from a captured set."""
    with np.load(SETS / "hdf5_none_u16_panels" / "expected.npz") as expected:
        return {"image": expected["images"][:2, :2, 20:27, 30:39].astype(dtype),
                "timestamp": expected["timestamp_u64"][:2],
                "wavelength": np.array([1.3, np.nan])}


def hdf5_message(arrays, filters, libver="earliest", **more) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=libver) as file:
        for name, path in (("image", "/data/data"), ("timestamp", "/data/timestamp"),
                           ("wavelength", "/data/wavelength"), *((name, name) for name in more)):
            array = (arrays | more)[name]
            chunks = (1, *array.shape[1:]) if array.ndim else None
            lossy = isinstance(filters, hdf5plugin.Zfp) and name != "image"
            file.create_dataset(path, data=array, chunks=chunks, **({} if lossy else filters))
    return out.getvalue()


def npz_message(arrays, save=np.savez, **more) -> bytes:
    out = io.BytesIO()
    save(out, detector_data=arrays["image"], timestamp=arrays["timestamp"],
         photon_wavelength=arrays["wavelength"], **more)
    return out.getvalue()


def npay_message(arrays, **more) -> bytes:
    fields = {"/data/data": arrays["image"], "/data/timestamp": arrays["timestamp"],
              "/data/wavelength": arrays["wavelength"], **more}
    out = b"YAPN" + struct.pack("<II", 1, len(fields))
    for name, array in fields.items():
        for text in (name.encode(), array.dtype.str.encode()):
            out += struct.pack("<I", len(text)) + text
        out += struct.pack(f"<I{array.ndim}q", array.ndim, *array.shape)
        out += struct.pack("<BQQ", 0, array.nbytes, array.nbytes) + array.tobytes()
    return out


def streamed_npz(arrays) -> bytes:
    """With data descriptors."""

    class Unseekable(io.RawIOBase):
        parts: list[bytes] = []

        def writable(self):
            return True

        def write(self, part):
            self.parts.append(bytes(part))
            return len(part)

    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("detector_data.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, arrays["image"])
        archive.comment = b"comment"
    return b"".join(out.parts)


def captured(pattern: str):
    for path in sorted(SETS.glob(f"{pattern}/msg_*.bin")):
        if path.stat().st_size <= LARGEST:
            yield f"{path.parent.name}_{path.stem}", path.read_bytes()


def hdf5_seeds():
    for dtype in ("u2", "f4"):
        arrays = small_arrays(dtype)
        for name, filters in HDF5_FILTERS.items():
            if name != "zfp" or dtype == "f4":
                yield f"{name}_{dtype}", hdf5_message(arrays, filters)
    yield "latest", hdf5_message(small_arrays("i4"), HDF5_FILTERS["gzip"], libver="latest")
    shape = np.array([2, 2, 7, 9], np.int32)
    yield "original_shape", hdf5_message(small_arrays("u2"), {}, **{"/data/original_shape": shape})
    yield "scalar", hdf5_message(small_arrays("u2"), {}, **{"/a/b/c": np.array(3.0)})
    tiny = io.BytesIO()
    with h5py.File(tiny, "w", libver="earliest") as file:
        file["data"] = np.arange(6, dtype=np.uint16).reshape(1, 2, 3)
    yield "tiny", tiny.getvalue()
    yield from captured("hdf5_*")


def npz_seeds():
    more = {"detector_data_original_shape": np.array([2, 2, 7, 9], np.int32)}
    for dtype in ("u2", ">f4", "f8"):
        yield f"stored_{dtype[-2:]}", npz_message(small_arrays(dtype), **more)
        yield f"deflated_{dtype[-2:]}", npz_message(small_arrays(dtype), np.savez_compressed)
    text = small_arrays("i2") | {"timestamp": np.array(["1700000000.5", "1700000001.17"])}
    yield "text", npz_message(text, scalar=np.array(1.5), bytes=np.array([b"abc"]))
    yield "streamed", streamed_npz(small_arrays("u2"))
    yield from captured("npz_*")


def npay_seeds():
    for dtype in ("u2", ">f4"):
        yield dtype[-2:], npay_message(small_arrays(dtype))
    more = {"text": np.array(["é"]), "scalar": np.array(2), "none": np.zeros((0, 3))}
    yield "more", npay_message(small_arrays("i4"), **more)


def simplon_pairs():
    """Of each set its first image behind its start message, which need not come first."""
    for directory in sorted(SETS.glob("simplon_*")):
        blobs = [path.read_bytes() for path in sorted(directory.glob("msg_*.bin"))]
        start = next(blob for blob in blobs if blob[:1] == b"c" and b"shape" in blob)
        image = min((blob for blob in blobs if blob[:1] == b"m"), key=len)
        yield directory.name, start, image


def simplon_seeds():
    for name, start, image in simplon_pairs():
        yield name, struct.pack("<I", len(start)) + start + image


def any_seeds():
    settings = [0, 0x21, 0x22, 0x80, 0x41]
    for group in (hdf5_seeds(), npz_seeds(), npay_seeds()):
        for number, (name, message) in enumerate(group):
            if len(message) < 20_000:
                yield name, bytes([settings[number % len(settings)]]) + message
    for name, _, image in simplon_pairs():
        yield name, bytes([0]) + image


def codec_input(codec, stored, *, result, element=2, block=0, mask=0, values=()) -> bytes:
    values = (list(values) + [0] * 6)[:6]
    return struct.pack("<BHBHB6I", codec, result, element, block, mask, *values) + stored


def codec_seeds():
    pixels = small_arrays("u2")["image"]
    raw = np.tile(pixels.ravel(), 20)
    for name in ("gzip", "lz4", "zstd", "bitshuffle", "zfp", "checksum"):
        dtype = "f4" if name == "zfp" else "u2"
        array = raw.astype(dtype)[: 16 * 200].reshape(16, 200)
        with h5py.File("x", "w", driver="core", backing_store=False) as file:
            data = file.create_dataset("d", data=array, chunks=array.shape, **HDF5_FILTERS[name])
            _, chunk = data.id.read_direct_chunk((0, 0))
            creation = data.id.get_create_plist()
            values = [creation.get_filter(i)[2] for i in range(creation.get_nfilters())][-1]
        size = {"result": array.nbytes, "element": array.itemsize, "values": values}
        if name == "gzip":
            yield name, codec_input(INFLATE, chunk, **size)
            yield "raw", codec_input(INFLATE_RAW, chunk[2:-4], **size)
            yield "beginning", codec_input(BEGINNING, chunk[2:-4], result=12)
            yield "pipeline_gzip", codec_input(PIPELINE, chunk, block=0o12, mask=1, **size)
        elif name == "zfp":
            number = {"result": array.nbytes, "element": DTYPES.index("f4"), "values": values}
            yield name, codec_input(ZFP, chunk, **number)
            yield "pipeline_zfp", codec_input(PIPELINE, chunk, block=0o5, **number)
        elif name == "checksum":
            yield name, codec_input(PIPELINE, chunk, block=0o32, **size)
            yield "fletcher32", codec_input(FLETCHER, chunk, **size)
            yield "unshuffle", codec_input(UNSHUFFLE, chunk, **size)
        elif name == "bitshuffle":
            yield name, codec_input(BLOCKS, chunk, **size)
        else:
            mask = ["bitshuffle", "lz4", "zstd"].index(name)
            yield name, codec_input(BITSHUFFLE, chunk, mask=mask, **size)
            yield name + "_blocks", codec_input(BLOCKS, chunk[12:], mask=mask, block=4096, **size)
            yield "pipeline_" + name, codec_input(PIPELINE, chunk, block=0o4, **size)
    yield "encode", codec_input(ENCODE, raw[:500].tobytes(), result=0)


def npy_seeds():
    for number, array in enumerate((
            small_arrays("u2")["image"], np.array(1.5), np.array(["1.5", "x"]), np.array([b"abc"]),
            np.zeros((0, 3), ">i8"), np.asfortranarray(np.zeros((2, 3))), np.array([1j]),
            np.zeros(2, [("a", "u2"), ("b", "f4", (3,))]))):
        for version in ((1, 0), (2, 0), (3, 0)):
            out = io.BytesIO()
            np.lib.format.write_array(out, array, version)
            yield f"{number}_{version[0]}", out.getvalue()


def geometry_seeds():
    lines = (DATA / "bragg" / "detector.geom").read_bytes().splitlines(keepends=True)
    yield "two_modules", b"".join(lines[:100])
    yield "one_panel", b"".join(lines[:27])
    yield "rare_keys", b"""clen = /d m\r\ndetector_shift_x = 1 mm\rphoton_energy = 9.5 keV
mask7_badbits = 0xff\nmask = /m\nmax_adu = 9\nno_index = false\nres = 1e4\ndim0 = %\ndim1 = 3
dim2 = ss\ndim3 = fs\nbad/min_x = -1\nbad/max_x = 1\nbad/min_y = .5\nbad/max_y = 2.
q/min_fs = 0\nq/max_fs = 3\nq/min_ss = 0\nq/max_ss = 2.0\nq/fs = 0.5*x - y + z\nq/ss = -.5x
q/corner_x = 1\nq/corner_y = -1\nq/rigid_group = a\ngroup_all = q\nrigid_group_b = q,r
badq/panel = q\nbadq/min_fs = 0\nbadq/max_fs = 1\nbadq/min_ss = 0\nbadq/max_ss = 1
rigid_group_collection_c = a,b ; end"""


def rewritten_geometry_seeds():
    panel = b"".join(b"p0/%s = %s\n" % pair for pair in (
        (b"min_fs", b"0"), (b"max_fs", b"9"), (b"min_ss", b"0"), (b"max_ss", b"9"), (b"fs", b"x"),
        (b"ss", b"y"), (b"corner_x", b"0"), (b"corner_y", b"0")))
    others = b"""res = 1e4 ; m\nclen = /LCLS/z mm\nphoton_energy = /e eV\nwavelength = 1.3 A
data = /d ; data\ndim0 = 3\ndim1 = %\ndim2 = ss\ndim3 = fs\npeak_list = /l\nmask = /m
mask_good = 0x00\nmask1_data = /m\nmask1_file = bad.h5\nmask1_badbits = 0x01
saturation_map = /s\ndetector_shift_x = /x mm\n"""
    texts = [("plain", b"res = 1e4\n" + panel), ("others", others + panel + b"p0/data = /p0\n"),
             ("dos", (others + panel).replace(b"\n", b"\r\n")), *geometry_seeds()]
    for name, text in texts:
        for mask in (0, 1):
            yield f"{name}_{mask}", bytes([mask]) + text


def stream_seeds():
    """The pieces are those of the client tests."""
    from streams import Reflection, chunk, head
    found = [Reflection(5.5, 3.5), Reflection(20.5, float("nan"), "p1", float("inf"))]
    crystals = chunk("a.cxi", 0, [found, []], [(5.5, 3.5, "p0")])
    yield "crystals", (head(4, 6, 2) + crystals).encode()
    yield "several", (head(4, 6, 1) + chunk("b.cxi", 1) + crystals[:700] + crystals).encode()
    yield "dos", (head(4, 6, 1) + crystals).replace("\n", "\r\n").encode()


def safetensors_file(tensors: dict[str, tuple[str, list[int], int]]) -> bytes:
    """Of names with type, shape and bytes."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def safetensors_seeds():
    """The smallest PeakNet that there can be is larger than an input of the fuzzer: its head alone
    has 32 channels. What tells its sizes is here."""
    yield "types", safetensors_file({"a": ("F32", [2, 1], 8), "b": ("BOOL", [3], 3),
                                     "c": ("BF16", [], 2), "d": ("F16", [0], 0),
                                     "module.e": ("I64", [1], 8), "f": ("F64", [1], 8)})
    backbone, head = "backbone.hidden_states_norms.stage", "head_segmask.weight"
    yield "sizes", safetensors_file({
        **{f"{backbone}{s}.bias": ("F32", [s], 4 * s) for s in (1, 2, 3, 4)},
        "backbone.encoder.stages.0.layers.1.grn.bias": ("F32", [1, 1, 1, 4], 16),
        "backbone.embeddings.patch_embeddings.weight": ("F16", [1, 1, 2, 2], 8),
        "backbone_to_bifpn.0.bias": ("BF16", [2], 4), head: ("BF16", [2, 32, 1, 1], 128)})


def pickle_seeds():
    """As torch.save writes them, by its own pickler's rules: storages are persistent, tensors calls."""
    from tensor_pickles import Tensor, pickled
    state = {"a": Tensor("FloatStorage", "0", 12, 0, (3, 4), (4, 1)),
             "b": Tensor("HalfStorage", "1", 12, 2, (2, 5), (1, 2)),
             "c": Tensor("BoolStorage", "2", 1, 0, (), ()), "d": Tensor("LongStorage", "3", 0, 0, (0,), (1,))}
    yield "plain", pickled(state)
    yield "ordered", pickled(collections.OrderedDict(state))
    yield "checkpoint", pickled({"model": {"state_dict": state}, "epoch": 3, "big": 2 ** 70,
                                 "loss": 0.5, "list": [None, True, (1, -2), "text" * 100]})


def torch_save_file(pickle: bytes, storages: list[bytes], more=()) -> bytes:
    """As torch.save writes it, but for the padding."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in [("data.pkl", pickle), ("byteorder", b"little"),
                              *((f"data/{i}", data) for i, data in enumerate(storages)),
                              ("version", b"3\n"), (".data/serialization_id", b"12"), *more]:
            with archive.open("some/" + name, "w", force_zip64=len(storages) > 1) as record:
                record.write(content)
    return out.getvalue()


def state_dict_seeds():
    from tensor_pickles import Tensor, pickled
    one = {"a": Tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1))}
    two = one | {"b": Tensor("FloatStorage", "0", 6, 3, (3,), (1,)),
                 "c": Tensor("HalfStorage", "1", 4, 0, (2, 2), (1, 2))}
    floats = np.arange(6, dtype=np.float32).tobytes()
    yield "one", torch_save_file(pickled(one), [floats])
    yield "two", torch_save_file(pickled({"model": two}), [floats, bytes(8)])
    yield "model", torch_save_file(pickled(one), [floats], [("constants.pkl", b"")])
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("some/data.pkl", pickled(one))
    yield "deflated", deflated.getvalue()
    yield "safetensors", safetensors_file({"a": ("F32", [2, 1], 8)})


TARGETS = {"hdf5_message": hdf5_seeds, "npz_message": npz_seeds, "npay_message": npay_seeds,
           "simplon_message": simplon_seeds, "any_message": any_seeds, "codecs": codec_seeds,
           "npy_header": npy_seeds, "geometry_file": geometry_seeds,
           "crystfel_stream": stream_seeds,
           "crystfel_for_cxi": rewritten_geometry_seeds, "safetensors": safetensors_seeds,
           "tensor_pickle": pickle_seeds, "state_dict_file": state_dict_seeds}


def main():
    for target, seeds in TARGETS.items():
        directory = pathlib.Path(sys.argv[1]) / target
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in seeds():
            (directory / name).write_bytes(content)


if __name__ == "__main__":
    main()
