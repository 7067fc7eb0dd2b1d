#!/usr/bin/env python3
"""Lists the CXI files of a directory, and the strongest peaks of their richest event.

    scripts/show_cxi.py DIRECTORY [--peaks 10]
    scripts/show_cxi.py DIRECTORY --richest    # FILE EVENT, for pnflow inspect
"""

import argparse
import pathlib
import sys

import h5py
import hdf5plugin  # noqa: F401 - makes the filters known to h5py
import numpy as np

RESULT = "/entry_1/result_1"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--peaks", type=int, default=10, help="peaks to list (default 10)")
    parser.add_argument("--richest", action="store_true", help="tell the richest event alone")
    options = parser.parse_args()
    paths = sorted(path for path in options.directory.glob("*.cxi")
                   if not path.stem.endswith("_master"))
    if not paths:
        print(f"no CXI file in {options.directory}", file=sys.stderr)
        return 1
    richest = None
    for path in paths:
        with h5py.File(path) as file:
            counts = file[f"{RESULT}/nPeaks"][:]
            shape, dtype = file["/entry_1/data_1/data"].shape, file["/entry_1/data_1/data"].dtype
        if not options.richest:
            print(f"{path}: {shape[0]} events of {shape[1]}x{shape[2]} {dtype}, "
                  f"peaks {counts.tolist()}")
        event = int(np.argmax(counts))
        if richest is None or counts[event] > richest[2]:
            richest = (path, event, int(counts[event]))
    path, event, count = richest
    if options.richest:
        print(path, event)
        return 0
    print(f"\n{path.name} //{event}: {count} peaks, the strongest by total intensity")
    print(f"{'panel':>5} {'x (fs)':>9} {'y (ss)':>9} {'pixels':>6} {'total':>9} {'maximum':>9} {'SNR':>7}")
    with h5py.File(path) as file:
        column = {name: file[f"{RESULT}/{name}"][event, :count]
                  for name in ("peakSegPosRaw", "peakXPosRaw", "peakYPosRaw", "peakNPixels",
                               "peakTotalIntensity", "peakMaximumValue", "peakSNR")}
    for i in np.argsort(-column["peakTotalIntensity"])[: options.peaks]:
        panel, x, y, pixels, total, maximum, snr = (values[i] for values in column.values())
        print(f"{panel:5d} {x:9.2f} {y:9.2f} {pixels:6d} {total:9.1f} {maximum:9.1f} {snr:7.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
