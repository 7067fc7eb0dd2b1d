"""Messages that NumPy itself makes, through the whole chain: every way in which an archive can be
written ends in the pixels that went in, and what cannot be read is counted under its reason."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from chains import chain
from cxi import by_time, cxi_files, events_of
from peers import Push
from support import Run

RNG = np.random.default_rng(20)
IMAGES = RNG.integers(0, 5000, (3, 2, 24, 31), np.uint16)
STAMPS = (np.arange(1700000000, 1700000003, dtype=np.uint64) << np.uint64(32)) + np.uint64(7)
WAVELENGTHS = np.array([1.3, np.nan, 1.4])


def arrays(**changed):
    return {"detector_data": IMAGES, "timestamp": STAMPS,
            "photon_wavelength": WAVELENGTHS} | changed


def saved(save, **changed):
    out = io.BytesIO()
    save(out, **arrays(**changed))
    return out.getvalue()


class Unseekable(io.RawIOBase):
    """Makes zipfile write data descriptors."""

    def __init__(self):
        self.parts = []

    def writable(self):
        return True

    def write(self, part):
        self.parts.append(bytes(part))
        return len(part)


def streamed(compression):
    out = Unseekable()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, array in arrays().items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array)
    return b"".join(out.parts)


def with_comment():
    out = io.BytesIO(saved(np.savez))
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"made by a test" * 100
    return out.getvalue()


GOOD = {
    "savez": saved(np.savez),
    "savez_compressed": saved(np.savez_compressed),
    "big endian": saved(np.savez_compressed, detector_data=IMAGES.astype(">u2"),
                        timestamp=STAMPS.astype(">u8")),
    "streamed": streamed(zipfile.ZIP_STORED),
    "streamed deflate": streamed(zipfile.ZIP_DEFLATED),
    "comment": with_comment(),
    "more arrays": saved(np.savez, extra=np.array(["text"]), half=np.zeros(3, np.float16)),
}


def run(tmp_path, messages):
    with Run(tmp_path, chain()) as process:
        process.wait_running()
        with Push(connect=process.endpoint()) as producer:
            producer.send_all(messages)
        return process.finish()


@pytest.mark.parametrize("name", GOOD)
def test_archives_of_numpy_arrive_complete(tmp_path, name):
    report = run(tmp_path, [GOOD[name]])
    assert report["events"]["delivered"] == len(STAMPS)
    events = by_time(events_of(*cxi_files(tmp_path)))
    for image, stamp, wavelength in zip(IMAGES, STAMPS, WAVELENGTHS):
        event = events[int(stamp)]
        np.testing.assert_array_equal(event.image, image.reshape(-1, image.shape[-1]))
        energy = 0 if np.isnan(wavelength) else 12398.4193 / wavelength
        assert event.energy == pytest.approx(energy)


def bzip2():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as archive:
        with archive.open("detector_data.npy", "w") as member:
            np.lib.format.write_array(member, IMAGES)
    return out.getvalue()


def flipped():
    message = bytearray(saved(np.savez))
    message[message.index(IMAGES[1].tobytes()) + 100] ^= 4
    return bytes(message)


UNREADABLE = {
    "truncated": saved(np.savez)[:-1],
    "unknown filter 12": bzip2(),
    "unsupported layout": saved(np.savez, detector_data=np.asfortranarray(IMAGES)),
    "wrong dtype": saved(np.savez, detector_data=IMAGES.astype(np.complex64)),
    "missing image": saved(lambda out, **named: np.savez(out, other=named["timestamp"])),
}


def test_archives_that_cannot_be_read_are_counted_by_reason(tmp_path):
    report = run(tmp_path, [GOOD["savez"], *UNREADABLE.values(), flipped()])
    assert report["messages"]["unreadable"] == {reason: 1 for reason in UNREADABLE}
    # The checksum is one for all events of a message.
    assert report["events"]["failed"] == {"wrong checksum": len(STAMPS)}
    assert report["events"]["delivered"] == len(STAMPS)
