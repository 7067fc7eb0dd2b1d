"""scripts/simulate_bragg.py: what it says is in the images is there, and pnflow can be judged by it."""

import json
import subprocess
import sys

import h5py
import numpy as np
from support import ROOT, needs_libtorch, pnflow


def simulate(path, *arguments):
    done = subprocess.run([sys.executable, ROOT / "scripts" / "simulate_bragg.py", path,
                           *map(str, arguments)], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return path


def test_light_labels_and_reflections_belong_together(tmp_path):
    path = simulate(tmp_path / "events.h5", "--events", 4, "--shape", 3, 160, 192, "--blanks", 0.3,
                    "--seed", 2, "--photons", 400)
    with h5py.File(path) as file:
        images, label = file["data/data"][:], file["truth/label"][:]
        crystal = file["truth/is_hit"][:]
        rows = {name: column[:] for name, column in file["truth/reflections"].items()}
        assert len(set(file["data/timestamp"][:])) == 4
    assert 0 < crystal.sum()
    visible = rows["visible"] == 1
    assert visible.sum() > 20
    assert not (label[crystal == 0] == 1).any()
    assert (visible == (rows["snr"] >= 3.5)).all()
    # Light beyond the background, in 7x7 pixels about a reflection, is its photons.
    found, expected = 0.0, 0.0
    for event, panel, x, y, photons, background in zip(
            *(rows[name][visible] for name in ("frame", "panel", "fs", "ss", "photons",
                                               "background")), strict=True):
        box = (event, panel, slice(max(round(y) - 3, 0), round(y) + 4),
               slice(max(round(x) - 3, 0), round(x) + 4))
        assert (np.isin(label[box], (1, 255))).any()
        found += images[box].sum() / 9.5 - background * images[box].size
        expected += photons
    assert 0.85 * expected < found < 1.3 * expected  # neighbours and zingers are in it too


def test_a_seed_says_everything(tmp_path):
    files = [simulate(tmp_path / name, "--events", 2, "--shape", 1, 96, 96, "--seed", seed)
             for name, seed in (("a.h5", 1), ("b.h5", 1), ("c.h5", 2))]
    images = [h5py.File(path)["data/data"][:] for path in files]
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).any()


@needs_libtorch
def test_the_shipped_network_finds_what_is_there(tmp_path):
    path = simulate(tmp_path / "events.h5", "--events", 5, "--shape", 4, 352, 384, "--seed", 4)
    done = pnflow("evaluate", "--truth", path, "--graph", ROOT / "configs/peaknet.yaml", "--json",
                  "--set", f"infer.weights={ROOT / 'models/peaknet_small.safetensors'}",
                  "--set", f"infer.mask={path}", timeout=300)
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout)
    assert score["reflections"] > 50
    assert score["recall"] > 0.9 and score["precision"] > 0.95, score
    assert score["position"]["median"] < 0.2
