#!/usr/bin/env python3
"""Recall and precision of configs/bragg.yaml on simulated frames whose truth is known.

    .venv/bin/python bench/bragg.py DIRECTORY                  # scores valid.h5
    .venv/bin/python bench/bragg.py DIRECTORY --tune           # searches on train.h5, by F1
    .venv/bin/python bench/bragg.py DIRECTORY --set peaks.min_snr=6   # another setting, valid.h5

DIRECTORY holds train.h5, valid.h5 and mask.h5. `pnflow evaluate` says what recall and precision are.
--tune starts from the first value of each setting in SEARCH (what pnflow does by itself) and tries the
others, one setting after the other; it keeps a value that makes F1, the harmonic mean of recall and
precision, better by 0.0005 or more. It does not open valid.h5.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys

from harness import PNFLOW, ROOT

CONFIG = ROOT / "configs" / "bragg.yaml"
LEAST_GAIN = 0.0005
SEARCH = {
    "infer.threshold.snr": [7, 6, 8],
    "infer.threshold.min_intensity": [90, 80, 100, 110],
    "infer.threshold.max_share": [0.8, 0.7, 0.75, 0.85],
    "infer.threshold.min_pixels": [3, 2, 4],
    "infer.threshold.grow_snr": [2, 1.5, 2.5],
    "infer.threshold.grow_adu": [8, 6, 10],
    "infer.threshold.radius": [7, 5, 10],
    "infer.threshold.min_sigma": [4, 3, 5],
    "peaks.split": ["false", "true"],
    "peaks.min_snr": [0, 6, 8],
    "peaks.min_intensity": [0, 80, 100],
}


def score(data: pathlib.Path, frames: str, settings: dict) -> dict:
    """What `pnflow evaluate` says of the peaks in these frames."""
    command = [PNFLOW, "evaluate", "--json", "--truth", data / frames, "--graph", CONFIG]
    for name, value in {"infer.mask": data / "mask.h5", **settings}.items():
        command += ["--set", f"{name}={value}"]
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def line(result: dict) -> str:
    bins = " / ".join(f"{each['recall']:.2f}" for each in result["recall_by_snr"])
    peaks, position = result["peaks"], result["position"]
    return (f"recall {result['recall']:.4f} ({bins})  precision {result['precision']:.4f}  "
            f"F1 {result['f1']:.4f}  duplicate {peaks['duplicate']}, false {peaks['false']}, of "
            f"which on blanks {peaks['false_on_blanks']}  position {position['median']:.3f} px, "
            f"offset {position['mean_fs']:+.3f} {position['mean_ss']:+.3f}")


def tune(data: pathlib.Path, settings: dict):
    settings = {**{name: values[0] for name, values in SEARCH.items()}, **settings}
    best = score(data, "train.h5", settings)
    print(f"as it is: {line(best)}", flush=True)
    for name, values in SEARCH.items():
        for value in values[1:]:
            result = score(data, "train.h5", {**settings, name: value})
            better = result["f1"] >= best["f1"] + LEAST_GAIN
            print(f"{name}={value}: {line(result)}{'  <- kept' if better else ''}", flush=True)
            if better:
                best, settings = result, {**settings, name: value}
    print(f"kept: {settings}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DIRECTORY", type=pathlib.Path)
    parser.add_argument("--tune", action="store_true", help="search on train.h5")
    parser.add_argument("--set", dest="settings", metavar="NODE.KEY=VALUE", action="append",
                        default=[], help="in place of the config's")
    options = parser.parse_args()
    data = options.data.resolve()
    settings = dict(text.split("=", 1) for text in options.settings)
    if options.tune:
        tune(data, settings)
    else:
        print(line(score(data, "valid.h5", settings)))


if __name__ == "__main__":
    main()
