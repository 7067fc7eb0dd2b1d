"""scripts/train_peaknet.py: a short training on made-up events, and what it refuses."""

import csv
import subprocess
import sys

import h5py
import numpy as np
import pytest
from support import ROOT

torch = pytest.importorskip("torch")

SCRIPT = ROOT / "scripts" / "train_peaknet.py"
ADU_PER_PHOTON = 9.5
SIDE = 96


def write_events(path, events=6, panels=2, seed=4):
    """Round spots of 60 photons on a background of 0.2: labels and reflections as in train.h5."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    expected = np.full((events, panels, SIDE, SIDE), 0.2)
    label = np.zeros(expected.shape, np.uint8)
    rows = {name: [] for name in ("frame", "panel", "fs", "ss")}
    for event in range(events):
        for panel in range(panels):
            for centre_x, centre_y in random.uniform(8, SIDE - 8, (3, 2)):
                light = 60 / (2 * np.pi * 0.6 ** 2) * np.exp(
                    -((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * 0.6 ** 2))
                expected[event, panel] += light
                label[event, panel][light >= 0.6] = 1
                for name, value in zip(rows, (event, panel, centre_x, centre_y), strict=True):
                    rows[name].append(value)
    count = len(rows["frame"])
    label[:, :, :2] = 255
    with h5py.File(path, "w") as file:
        file["data/data"] = np.rint(random.poisson(expected) * ADU_PER_PHOTON).astype(np.int16)
        file["truth/label"] = label
        file["truth/is_hit"] = np.ones(events, np.uint8)
        for name, values in rows.items():
            file[f"truth/reflections/{name}"] = np.array(values)
        file["truth/reflections/snr"] = np.full(count, 7.0)
        file["truth/reflections/background"] = np.full(count, 0.2)
        file["truth/reflections/kind"] = np.zeros(count, np.uint8)
        file["truth/reflections/visible"] = np.ones(count, np.uint8)
    return path


def train(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], text=True,
                          capture_output=True, timeout=300)


SHORT = ["--size", "tiny", "--steps", 20, "--batch", 8, "--held-out", 3, "--rate", 4e-3,
         "--made", 0.25]


def trained(events, output, seed):
    done = train(events, "--output", output, *SHORT, "--seed", seed)
    assert done.returncode == 0, done.stderr
    with open(output / "peaknet_tiny_training.csv") as file:
        return list(csv.DictReader(file)), (output / "peaknet_tiny.safetensors").read_bytes()


def test_the_loss_falls_and_a_seed_says_everything(tmp_path):
    events = write_events(tmp_path / "train.h5")
    log, weights = trained(events, tmp_path / "a", seed=1)
    assert [int(row["step"]) for row in log] == [4, 8, 12, 16, 20]
    losses = [float(row["loss"]) for row in log]
    assert losses[-1] < 0.7 * losses[0], losses
    again, same_weights = trained(events, tmp_path / "b", seed=1)
    assert again == log
    assert same_weights == weights
    other, _ = trained(events, tmp_path / "c", seed=2)
    assert other != log


def test_the_decision_is_also_set_on_further_events(tmp_path):
    events = write_events(tmp_path / "train.h5")
    further = write_events(tmp_path / "further.h5", events=2, seed=5)
    done = train(events, "--output", tmp_path, *SHORT, "--decide-on", further)
    assert done.returncode == 0, done.stderr
    *_, moved, held_out, other, written = done.stdout.splitlines()
    assert moved.startswith("decision moved by ")
    assert held_out.startswith("  held out: recall ")
    assert other.startswith(f"  {further}: recall ")
    assert written.startswith(f"{tmp_path / 'peaknet_tiny.safetensors'}: ")
    done = train(events, "--output", tmp_path, "--decide-on", tmp_path / "absent.h5")
    assert done.returncode == 1 and "absent.h5" in done.stderr


def test_weights_load_into_the_network_they_are_for(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import peaknet_weights
    from peaknet import SIZES, PeakNet

    state = peaknet_weights.read_state_dict(ROOT / "models" / "peaknet_small.safetensors")
    peaknet_weights.load(PeakNet(SIZES["small"]), state)
    with pytest.raises(peaknet_weights.WeightsError, match="not fit"):
        peaknet_weights.load(PeakNet(SIZES["tiny"]), state)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(peaknet_weights.WeightsError, match="no safetensors file"):
        peaknet_weights.read_state_dict(broken)


def test_what_cannot_be_read_is_said(tmp_path):
    done = train(tmp_path / "absent.h5", "--output", tmp_path)
    assert done.returncode == 1 and "absent.h5" in done.stderr
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data/data"] = np.zeros((6, 1, 64, 64))
    done = train(tmp_path / "other.h5", "--output", tmp_path)
    assert done.returncode == 1 and "truth/reflections" in done.stderr, done.stderr
    few = write_events(tmp_path / "few.h5", events=3)
    done = train(few, "--output", tmp_path)
    assert done.returncode == 1 and "--held-out 6" in done.stderr, done.stderr
