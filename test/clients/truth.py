"""Files of images whose peaks are known, and what peaks score against them: written anew with NumPy
and SciPy, by another way than pnflow's (a matrix of distances whose smallest entry is taken)."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
from scipy.spatial.distance import cdist

from cxi import RESULTS, STAMPS

COLUMNS = {"frame": "i4", "panel": "i2", "fs": "f4", "ss": "f4", "snr": "f4", "kind": "u1",
           "visible": "u1"}
BINS = [3.5, 4, 5, 7, 10, 20, np.inf]


@dataclasses.dataclass
class Spot:
    panel: int
    fs: float
    ss: float
    snr: float = 8.0
    kind: int = 0
    visible: int = 1

    @property
    def wanted(self):
        return self.kind == 0 and self.visible == 1


@dataclasses.dataclass
class Event:
    stamp: int
    spots: list[Spot] = dataclasses.field(default_factory=list)
    crystal: bool = True


def write_truth(path, events, shape=(1, 20, 30), images=None):
    """`shape` of an event's images, of one panel or several."""
    columns = {name: [] for name in COLUMNS}
    for number, event in enumerate(events):
        for spot in event.spots:
            for name in COLUMNS:
                columns[name].append(number if name == "frame" else getattr(spot, name))
    with h5py.File(path, "w") as file:
        file.create_dataset("/data/data", (len(events), *shape), "i2", data=images,
                            chunks=(1, *shape), compression="gzip")
        file["/data/timestamp"] = np.array([event.stamp for event in events], "u8")
        file["/truth/is_hit"] = np.array([event.crystal for event in events], "u1")
        for name, dtype in COLUMNS.items():
            file["/truth/reflections/" + name] = np.array(columns[name], dtype)
    return path


def write_peaks(path, events):
    """A CXI file with the peaks (x, y) of events by their stamps: no images, as nobody looks."""
    longest = max(1, *(len(peaks) for _, peaks in events)) if events else 1
    columns = np.zeros((2, len(events), longest), "f4")
    for number, (_, peaks) in enumerate(events):
        columns[:, number, :len(peaks)] = np.reshape(peaks, (-1, 2)).T
    with h5py.File(path, "w") as file:
        file[RESULTS + "nPeaks"] = np.array([len(peaks) for _, peaks in events], "i4")
        file[RESULTS + "peakXPosRaw"], file[RESULTS + "peakYPosRaw"] = columns
        file[STAMPS] = np.array([stamp for stamp, _ in events], "u8")
    return path


def read_peaks(*paths) -> dict[int, np.ndarray]:
    """The peaks (x, y) of each event, by its stamp."""
    found = {}
    for path in paths:
        with h5py.File(path) as file:
            counts, x, y = (file[RESULTS + name][:]
                            for name in ("nPeaks", "peakXPosRaw", "peakYPosRaw"))
            for number, stamp in enumerate(file[STAMPS][:]):
                count = counts[number]
                found[int(stamp)] = np.stack([x[number, :count], y[number, :count]], 1)
    return found


def distances(peaks, spots, height):
    """Of every peak from every spot; infinite between panels. Spots as the file rounds them."""
    panels = np.floor((peaks[:, 1] + 0.5) / height)
    there = np.stack([peaks[:, 0], peaks[:, 1] - height * panels], 1)
    places = np.array([(spot.fs, spot.ss) for spot in spots], "f4").reshape(-1, 2)
    apart = panels[:, None] != np.array([spot.panel for spot in spots]).reshape(1, -1)
    return np.where(apart, np.inf, cdist(there, places.astype(float))), there, places


def score(events, found, height, radius=2.0) -> dict:
    """What `pnflow evaluate --json` says of peaks by stamp, without what it says of files."""
    counts = dict(matched=0, duplicate=0, false=0, false_on_blanks=0, ignored=0)
    offsets, matched, snrs, hits, lost = [], [], [], [], []
    for event in events:
        peaks = np.asarray(found.get(event.stamp, np.empty((0, 2))), float).reshape(-1, 2)
        wanted = [spot for spot in event.spots if spot.wanted]
        others = [spot for spot in event.spots if not spot.wanted]
        away, there, places = distances(peaks, wanted, height)
        near, taken = (away <= radius).any(axis=1), np.zeros(len(peaks), bool)
        hit = np.zeros(len(wanted), bool)
        while away.size and away.min() <= radius:
            i, j = np.unravel_index(away.argmin(), away.shape)
            taken[i] = hit[j] = True
            offsets.append(there[i] - places[j])
            matched.append(np.float32(wanted[j].snr))
            away[i], away[:, j] = np.inf, np.inf
        by_others = (distances(peaks, others, height)[0] <= radius).any(axis=1)
        counts["matched"] += int(taken.sum())
        counts["duplicate"] += int((near & ~taken).sum())
        counts["ignored"] += int((by_others & ~near).sum())
        false = int((~near & ~by_others).sum())
        counts["false"] += false
        counts["false_on_blanks"] += 0 if event.crystal else false
        snr = np.array([spot.snr for spot in wanted], "f4")
        lost.append(np.nan if not (snr >= 5).any() else 1 - hit[snr >= 5].mean())
        snrs.append(snr)
        hits.append(hit)
    snr, hit, offsets = np.concatenate(snrs), np.concatenate(hits), np.array(offsets)
    size = np.linalg.norm(offsets, axis=1)
    recall = hit.mean()
    precision = counts["matched"] / (counts["matched"] + counts["duplicate"] + counts["false"])
    bins = [hit[(snr >= low) & (snr < high)] for low, high in zip(BINS, BINS[1:])]
    matched = np.array(matched)
    sizes = [size[(matched >= low) & (matched < high)] for low, high in zip(BINS, BINS[1:])]
    return {"reflections": len(hit), "found": int(hit.sum()), "peaks": counts, "recall": recall,
            "precision": precision, "f1": 2 / (1 / recall + 1 / precision),
            "bins": [(len(inside), int(inside.sum())) for inside in bins],
            "positions": [np.median(inside) if len(inside) else None for inside in sizes],
            "position": {"median": np.median(size), "p95": np.percentile(size, 95),
                         "mean_fs": offsets[:, 0].mean(), "mean_ss": offsets[:, 1].mean()},
            "worst": int(np.nanargmax(lost)), "lost": np.nanmax(lost)}
