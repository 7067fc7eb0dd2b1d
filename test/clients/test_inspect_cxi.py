"""`pnflow inspect` of CXI files: those of pnflow's own runs against h5py, and files that h5py wrote
with one thing in them that CrystFEL trips over."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from chains import IN_ORDER, SHAPE, simulated
from cxi import DATA, ENERGIES, RESULTS, STAMPS, cxi_files
from inspection import HC, check_events, inspect
from support import finished, pnflow

C, H, W = SHAPE


@pytest.fixture(scope="module")
def run_files(tmp_path_factory):
    """Three files of simulated events, found and written by pnflow."""
    directory = tmp_path_factory.mktemp("run")
    cxi = {"events_per_file": 4, "compression": "gzip:1", **IN_ORDER}
    finished(directory, simulated({"count": 10, "bad_pixels": 0.01}, cxi=cxi))
    return cxi_files(directory)


def test_a_cxi_file_of_pnflow_is_what_h5py_says(run_files):
    document = inspect(*run_files)
    assert document["sum"]["events"] == 10
    for path, found in zip(run_files, document["files"], strict=True):
        assert (found["kind"], found["damage"]) == ("CXI", [])
        with h5py.File(path) as file:
            check_events(found, file[DATA][:], file[STAMPS][:], HC / file[ENERGIES][:])
            counts = file[RESULTS + "nPeaks"][:]
            mask = file["/entry_1/data_1/mask"][:]
            assert found["attributes"] == dict(file.attrs)
            [image] = [a for a in found["arrays"] if a["name"] == DATA]
            assert image["stored_bytes"] == file[DATA].id.get_storage_size()
        cxi = found["cxi"]
        assert cxi["peaks"] == {"min": counts.min(), "median": np.median(counts),
                                "max": counts.max(), "total": counts.sum()}
        assert (cxi["normalized"], cxi["panels"]) == (False, C)
        assert cxi["mask"] == {"shape": [C * H, W], "bad": np.count_nonzero(mask)}
        assert cxi["crystfel"]["faults"] == []
    text = pnflow("inspect", run_files[0]).stdout
    assert "CrystFEL   finds what it needs" in text
    assert f"; {counts_of(run_files[0]).sum()} in all" in text


def counts_of(path):
    with h5py.File(path) as file:
        return file[RESULTS + "nPeaks"][:]


def test_the_peaks_of_an_event_are_listed_the_strongest_first(run_files):
    found = inspect(*run_files, "--event", 5)["event"]
    assert (found["file"], found["index"]) == (str(run_files[1]), 1)
    with h5py.File(run_files[1]) as file:
        count = file[RESULTS + "nPeaks"][1]
        columns = {key: file[RESULTS + name][1, :count] for key, name in [
            ("panel", "peakSegPosRaw"), ("x", "peakXPosRaw"), ("y", "peakYPosRaw"),
            ("npix", "peakNPixels"), ("total", "peakTotalIntensity"),
            ("maximum", "peakMaximumValue"), ("snr", "peakSNR")]}
    assert count > 5
    order = np.argsort(-columns["total"], kind="stable")
    assert found["peaks"] == [{key: pytest.approx(float(values[i]))
                               for key, values in columns.items()} for i in order]
    lines = pnflow("inspect", *run_files, "--event", 5).stdout.splitlines()
    table = [line.split() for line in lines[lines.index(
        "  panel    x (fs)    y (ss)   npix       total    maximum      SNR") + 1:]]
    assert len(table) == count
    assert float(table[0][1]) == pytest.approx(columns["x"][order[0]], abs=0.005)


# ---------------------------------------------------------------- what CrystFEL trips over

def write_cxi(path, *, images=None, chunks=True, counts=(2, 1), x=((1, 2), (3, 0)),
              y=((1, 3), (2, 0)), total=True, dtype="f4", stamps=(1 << 32, 2 << 32),
              energy=(9500.0, 9500.0), mask=None):
    images = np.arange(40, dtype=np.uint16).reshape(2, 4, 5) if images is None else images
    with h5py.File(path, "w") as file:
        file.create_dataset(DATA, data=images, chunks=(1, *images.shape[1:]) if chunks else None)
        file[RESULTS + "nPeaks"] = np.asarray(counts, "i4")
        file[RESULTS + "peakXPosRaw"] = np.asarray(x, dtype)
        file[RESULTS + "peakYPosRaw"] = np.asarray(y, dtype)
        if total:
            file[RESULTS + "peakTotalIntensity"] = np.asarray(x, dtype)
        file[STAMPS] = np.asarray(stamps, "u8")
        file[ENERGIES] = energy
        if mask is not None:
            file["/entry_1/data_1/mask"] = mask
    return path


@pytest.mark.parametrize("change, named", [
    ({}, []),
    ({"total": False}, ["there is no /entry_1/result_1/peakTotalIntensity"]),
    ({"images": np.zeros((2, 1, 4, 5), "u2")}, ["not (events, rows, columns)"]),
    ({"counts": (3, 1)}, ["more than the 2 that the tables hold"]),
    ({"counts": (2, -1)}, ["is negative"]),
    ({"x": ((1, np.nan), (3, 0))}, ["position that is not finite"]),
    ({"y": ((1, 3), (4, 0))}, ["outside of the 4x5 image"]),
    ({"stamps": (1, 1 << 63)}, ["2^63"]),
    ({"energy": 9500.0}, ["photon_energy_eV is a single float64"]),
    ({"mask": np.zeros((4, 5), "f4")}, ["mask is 4x5 float32"]),
    ({"dtype": "f8"}, ["peakXPosRaw", "peakYPosRaw", "peakTotalIntensity"]),
    ({"x": (1, 2), "y": (1, 3)}, ["peakXPosRaw", "peakYPosRaw", "peakTotalIntensity"]),
], ids=str)
def test_what_crystfel_trips_over_is_a_fault(tmp_path, change, named):
    path = write_cxi(tmp_path / "a.cxi", **change)
    done = pnflow("inspect", path)
    assert done.returncode == (1 if named else 0)
    lines = [line for line in done.stdout.splitlines() if line.startswith("  fault ")]
    assert len(lines) == len(named)
    assert all(word in line for word, line in zip(named, lines))
    assert ("CrystFEL   finds what it needs" in done.stdout) == (not named)


def test_files_with_faults_are_counted_beside_those_with_damage(run_files, tmp_path):
    path = write_cxi(tmp_path / "a.cxi", total=False)
    total = inspect(run_files[0], path, status=1)["sum"]
    assert (total["damaged"], total["faulty"], total["not_read"]) == (0, 1, 0)
    done = pnflow("inspect", run_files[0], path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith("; 1 with faults")


def test_several_events_in_a_chunk_and_an_unknown_energy_are_noticed(tmp_path):
    path = tmp_path / "a.cxi"
    write_cxi(path, energy=(0.0, 9500.0))
    with h5py.File(path, "a") as file:
        images = file[DATA][:]
        del file[DATA]
        file.create_dataset(DATA, data=images, chunks=(2, 4, 5))
    [found] = inspect(path, status=1)["files"]
    crystfel = found["cxi"]["crystfel"]
    assert len(crystfel["faults"]) == len(crystfel["warnings"]) == 1
    assert "2 events in a chunk" in crystfel["faults"][0]
    assert "of 1 events, the first of them event 0" in crystfel["warnings"][0]
    assert found["photon_energy"]["missing"] == 1


# ---------------------------------------------------------------- damage

def test_a_damaged_image_of_a_cxi_file_leaves_the_rest(run_files, tmp_path):
    with h5py.File(run_files[0]) as file:
        chunk = file[DATA].id.get_chunk_info(2)
        counts = file[RESULTS + "nPeaks"][:]
    data = bytearray(run_files[0].read_bytes())
    data[chunk.byte_offset + 10:chunk.byte_offset + 60] = bytes(50)
    path = tmp_path / "damaged.cxi"
    path.write_bytes(data)
    document = inspect(path, "--event", 2, status=1)
    [found] = document["files"]
    [damage] = found["damage"]
    assert (damage["array"], damage["entry"], damage["reason"]) == (DATA, 2, "damaged chunk")
    assert found["cxi"]["peaks"]["total"] == counts.sum()
    assert document["event"]["shape"] is None
    assert len(document["event"]["peaks"]) == counts[2]
    done = pnflow("inspect", path, "--event", 2, "--png", tmp_path / "a.png")
    assert done.returncode == 1
    assert "has no image that can be read" in done.stderr
    assert not (tmp_path / "a.png").exists()


def test_a_cut_cxi_file_is_damage(run_files, tmp_path):
    path = tmp_path / "cut.cxi"
    path.write_bytes(run_files[0].read_bytes()[:5000])
    [found] = inspect(path, status=1)["files"]
    assert [damage["reason"] for damage in found["damage"]] == ["truncated"]


def test_any_damage_ends_with_an_exit_code_and_in_time(run_files, tmp_path):
    whole = run_files[0].read_bytes()
    rng = np.random.default_rng(11)
    path = tmp_path / "a.cxi"
    for _ in range(40):
        data = bytearray(whole)
        for at in rng.integers(0, 6000 if rng.random() < 0.7 else len(data), 5):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        done = pnflow("inspect", "--json", path, timeout=20)
        assert done.returncode in (0, 1, 2), data[:16]
        [found] = json.loads(done.stdout)["files"]
        faults = found.get("cxi", {}).get("crystfel", {}).get("faults")
        assert done.returncode == (
            2 if "error" in found else 1 if found["damage"] or faults else 0), found
