"""The CXI files of a run as h5py sees them."""

from __future__ import annotations

import collections
import pathlib

import h5py
import hdf5plugin  # noqa: F401 - registers bitshuffle

DATA = "/entry_1/data_1/data"
RESULTS = "/entry_1/result_1/"
STAMPS = "/LCLS/detector_1/timestamp"
ENERGIES = "/LCLS/photon_energy_eV"


def cxi_files(directory: pathlib.Path) -> list[pathlib.Path]:
    """Without the masters, which open them all."""
    return sorted(path for path in (pathlib.Path(directory) / "out").glob("*.cxi")
                  if not path.stem.endswith("_master"))


def masters(directory: pathlib.Path) -> list[pathlib.Path]:
    return sorted((pathlib.Path(directory) / "out").glob("*_master.cxi"))


def events_in_files(directory: pathlib.Path) -> int:
    """Events in all closed files, each of which must open and agree with itself."""
    events = 0
    for path in cxi_files(directory):
        with h5py.File(path) as file:
            images = file[DATA]
            assert len(file[RESULTS + "nPeaks"]) == len(images)
            assert len(file[STAMPS]) == len(images)
            images[-1]  # the last chunk decompresses
            events += len(images)
    return events


Event = collections.namedtuple("Event", "stamp energy image y x total maximum npix panel segmap")


def events_of(*paths) -> list[Event]:
    """The events of these files, in their order, with peaks cut to the number that there is."""
    events = []
    for path in paths:
        with h5py.File(path) as file:
            stamps, energies, images = file[STAMPS][:], file[ENERGIES][:], file[DATA][:]
            numbers = file[RESULTS + "nPeaks"][:]
            assert len(images) == len(stamps) == len(energies) == len(numbers)
            columns = [file[RESULTS + name][:] for name in (
                "peakYPosRaw", "peakXPosRaw", "peakTotalIntensity", "peakMaximumValue",
                "peakNPixels", "peakSegPosRaw")]
            segmap = file.get(RESULTS + "segmentation_map")
            for i, peaks in enumerate(numbers):
                assert 0 <= peaks <= columns[0].shape[1]
                assert not any(column[i, peaks:].any() for column in columns)
                events.append(Event(int(stamps[i]), energies[i], images[i],
                                    *(column[i, :peaks] for column in columns),
                                    None if segmap is None else segmap[i]))
    return events


def by_time(events) -> dict[int, Event]:
    found = {event.stamp: event for event in events}
    assert len(found) == len(events), "an event was written twice"
    return found
