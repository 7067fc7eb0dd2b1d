#!/usr/bin/env python3
"""Draws an event of a CXI file as it lies in the laboratory, with circles at its peaks.

    scripts/draw_laboratory.py FILE.cxi RUN.geom PICTURE.png [--event 3] [--scale 0.5] [--crop X0 X1 Y0 Y1]

Pixels are put where the panels of cfelpyutils say, peaks where peakXLab and peakYLab are: they meet
only when both agree. x goes to the right and y up, as one looks against the beam.
"""

import argparse

import cv2
import h5py
import hdf5plugin  # noqa: F401 - makes the filters known to h5py
import numpy as np
from cfelpyutils.geometry import load_crystfel_geometry

RESULT = "/entry_1/result_1"
CIRCLE = (40, 90, 255)  # blue, green, red


def centres(panel):
    """x and y in metres of the centres of a panel's pixels."""
    fs, ss = np.meshgrid(np.arange(panel["w"]) + 0.5, np.arange(panel["h"]) + 0.5)
    return [(panel["cn" + axis] + fs * panel["fs" + axis] + ss * panel["ss" + axis]) / panel["res"]
            for axis in "xy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("geometry")
    parser.add_argument("picture")
    parser.add_argument("--event", type=int, default=0)
    parser.add_argument("--scale", type=float, default=0.5, help="picture's pixels per detector's")
    parser.add_argument("--crop", type=float, nargs=4, metavar=("X0", "X1", "Y0", "Y1"),
                        help="part of the laboratory to draw, in mm")
    options = parser.parse_args()
    panels = load_crystfel_geometry(options.geometry).detector["panels"]
    with h5py.File(options.file) as file:
        image = file["/entry_1/data_1/data"][options.event].astype(float)
        peaks = file[f"{RESULT}/nPeaks"][options.event]
        peak_x, peak_y = (file[f"{RESULT}/{name}"][options.event, :peaks]
                          for name in ("peakXLab", "peakYLab"))
    places = [(*centres(panel), image[panel["orig_min_ss"]:panel["orig_max_ss"] + 1,
                                      panel["orig_min_fs"]:panel["orig_max_fs"] + 1])
              for panel in panels.values()]
    x, y, value = (np.concatenate([part[i].ravel() for part in places]) for i in range(3))
    left, right, low, high = (np.array(options.crop) / 1000 if options.crop
                              else (x.min(), x.max(), y.min(), y.max()))
    pixels = options.scale * next(iter(panels.values()))["res"]  # of the picture, per metre
    width, height = (int(np.ceil((b - a) * pixels)) + 1 for a, b in ((left, right), (low, high)))
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    # Between panels -1; where several pixels meet, the brightest.
    drawn = np.full((height, width), -1.0)
    bright = np.sqrt(np.clip(value[inside] / max(np.percentile(value[inside], 99.97), 1), 0, 1))
    np.maximum.at(drawn, (((high - y[inside]) * pixels).astype(int),
                          ((x[inside] - left) * pixels).astype(int)), bright)
    # Few levels: noise does not compress.
    grey = np.where(drawn < 0, 255, 32 + np.round(drawn * 12) * 17).clip(0, 255).astype(np.uint8)
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    fraction = 4  # bits of OpenCV's fixed-point coordinates
    for at_x, at_y in zip(peak_x, peak_y):
        # OpenCV's coordinates are those of the centres of pixels.
        centre = [round(((at - begin) * pixels - 0.5) * 2**fraction)
                  for at, begin in ((at_x, left), (high - at_y + low, low))]
        cv2.circle(picture, centre, round(5 * max(1, options.scale)) << fraction, CIRCLE, 1,
                   cv2.LINE_AA, fraction)
    if not cv2.imwrite(options.picture, picture, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        parser.error(f"cannot write {options.picture}")


if __name__ == "__main__":
    main()
