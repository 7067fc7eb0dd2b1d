"""What the tests of `pnflow inspect` share: its JSON, and what it must say of events."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pytest

from support import DATA, pnflow

HC = 12398.4193  # eV angstrom


def sets(prefix: str) -> list[str]:
    found = sorted(path.name for path in (DATA / "lclstreamer").glob(prefix + "_*"))
    assert found
    return found


def inspect(*arguments, status: int = 0) -> dict:
    """The JSON document of `pnflow inspect`."""
    done = pnflow("inspect", "--json", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def iso(packed: int) -> str:
    moment = datetime.datetime.fromtimestamp(packed >> 32, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{packed & 0xffffffff:09}Z"


def packed(values) -> list[int]:
    """Time stamps as they stand in a message, in the form of CXI files."""
    stamps = []
    for value in values:
        if isinstance(value, str):
            seconds, nanoseconds = value.split(".")
            stamps.append(int(seconds) << 32 | int(nanoseconds))
        elif np.asarray(value).dtype.kind == "f" and value < 2**40:
            stamps.append(int(value) << 32 | round((float(value) - int(value)) * 1e9))
        else:
            stamps.append(int(value))
    return stamps


def check_events(found: dict, images, timestamps=None, wavelengths=None):
    """`images` (N, ...) are the pixels as they stand in the file."""
    assert found["events"] == len(images)
    [image] = found["images"]
    assert (image["shape"], image["dtype"]) == (list(images.shape[1:]), str(images.dtype))
    assert image["events"] == len(images)
    pixels = found["pixels"]
    finite = images[np.isfinite(images)].astype(np.float64)
    assert (pixels["min"], pixels["max"]) == (finite.min(), finite.max())
    assert pixels["mean"] == pytest.approx(finite.mean(), rel=1e-9)
    assert (pixels["finite"], pixels["non_finite"]) == (finite.size, images.size - finite.size)
    if timestamps is None:
        assert "timestamps" not in found
    else:
        stamps = packed(timestamps)
        times = found["timestamps"]
        assert (times["first_packed"], times["last_packed"]) == (min(stamps), max(stamps))
        assert (times["first"], times["last"]) == (iso(min(stamps)), iso(max(stamps)))
        assert times["missing"] == 0
    if wavelengths is None:
        assert "photon_energy" not in found
    else:
        known = wavelengths[np.isfinite(wavelengths)]
        for name, values in [("wavelength", known), ("photon_energy", HC / known)]:
            assert found[name]["missing"] == len(wavelengths) - len(known)
            least, most = (values.min(), values.max()) if len(known) else (None, None)
            assert found[name]["min"] == pytest.approx(least)
            assert found[name]["max"] == pytest.approx(most)
