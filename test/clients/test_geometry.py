"""A detector's geometry in a run: images in its slab, peaks with their panels and in the laboratory.

cfelpyutils' panels are the judge of places, with float64 arithmetic; what stands where in the files
is told by a run of the same events without a geometry.
"""

import h5py
import numpy as np
import pytest
from cfelpyutils.geometry import load_crystfel_geometry

from chains import simulated, writer_behind_socket
from cxi import DATA, ENERGIES, RESULTS, by_time, cxi_files, events_of
from geometries import gaps, judged, modules, rotated, scattered
from peers import Push
from support import DATA as TEST_DATA
from support import Run, finished, hdf5_message, node, pnflow, write_graph

ENERGY = 9500  # eV, of sim_source
TOLERANCE = 1e-6  # pixels
MASK = "/entry_1/data_1/mask"
LABORATORY = {"peakXLab": "m", "peakYLab": "m", "peakZLab": "m", "peakResolution": "1/nm"}
# The shape of an event, and where its panels lie in the slab (row, column; none: it is the slab).
DETECTORS = {
    "rotated": (rotated, [6, 40, 64], [(40 * i, 0) for i in range(6)]),
    "scattered": (scattered, [3, 40, 50], [(60, 70), (7, 2), (3, 58)]),
    "gaps": (gaps, [59, 50], None),
    "modules of two sizes": (modules, [141, 96], None),
    "detector.geom": (None, [16, 352, 384], [(352 * i, 0) for i in range(16)]),
}
SPOTS = {"count": 6, "amplitude": [500, 2000], "dtype": "int32"}


@pytest.fixture(params=DETECTORS)
def detector(request, tmp_path):
    """File, shape of an event, places of its panels."""
    make, shape, places = DETECTORS[request.param]
    if make is None:
        return TEST_DATA / "bragg" / "detector.geom", shape, places
    path = tmp_path / "made-up.geom"
    path.write_text(make())
    return path, shape, places


def run_with(directory, geometry, source, **changes):
    return finished(directory, simulated({**SPOTS, **source}, detector={"geometry": str(geometry)},
                                         **changes))


def panel_at(panels, row, column):
    """The name of cfelpyutils' panel that has this pixel."""
    for name, panel in panels.items():
        if (panel["orig_min_ss"] <= row <= panel["orig_max_ss"]
                and panel["orig_min_fs"] <= column <= panel["orig_max_fs"]):
            return name
    return None


def laboratory(path):
    """The columns of a file with places in the laboratory, and nPeaks."""
    with h5py.File(path) as file:
        for name, unit in LABORATORY.items():
            assert file[RESULTS + name].attrs["units"] == unit
            assert file[RESULTS + name].dtype == "f8"
        return {name: file[RESULTS + name][:] for name in
                ("nPeaks", "peakXPosRaw", "peakYPosRaw", *LABORATORY)}


def test_peaks_lie_in_the_laboratory_where_cfelpyutils_panels_put_them(tmp_path, detector):
    geometry, shape, _ = detector
    run_with(tmp_path, geometry, {"shape": shape, "peaks": 40})
    panels = load_crystfel_geometry(str(geometry)).detector["panels"]
    found = 0
    for path in cxi_files(tmp_path):
        columns = laboratory(path)
        for event, peaks in enumerate(columns["nPeaks"]):
            for i in range(peaks):
                x, y, x_lab, y_lab, z_lab, resolution = (
                    np.float64(columns[name][event, i]) for name in
                    ("peakXPosRaw", "peakYPosRaw", *LABORATORY))
                name = panel_at(panels, np.floor(y + 0.5), np.floor(x + 0.5))
                assert name is not None, (x, y)
                panel = panels[name]
                clen = 0.12 if "bragg" in str(geometry) else panel["clen"]
                place = judged(panel, x - panel["orig_min_fs"], y - panel["orig_min_ss"])
                place[2] += clen
                off = (np.array([x_lab, y_lab, z_lab]) - place) * panel["res"]
                assert np.abs(off).max() < TOLERANCE, (name, x, y, off)
                two_theta = np.arctan2(np.hypot(place[0], place[1]), place[2])
                assert resolution == pytest.approx(
                    2 * np.sin(two_theta / 2) / (1.23984193e3 / ENERGY), rel=1e-9)
                found += 1
    assert found > 50


def test_images_and_peaks_are_those_without_a_geometry_in_other_places(tmp_path, detector):
    geometry, shape, places = detector
    for name, settings in [("slab", {"geometry": str(geometry)}), ("stacked", {})]:
        finished(tmp_path / name, simulated({**SPOTS, "shape": shape, "bad_pixels": 0.01},
                                            cxi={"save_segmap": True, **settings}))
    slab, stacked = (by_time(events_of(*cxi_files(tmp_path / d))) for d in ("slab", "stacked"))
    assert slab.keys() == stacked.keys() and len(slab) == SPOTS["count"]
    masks = []
    for directory in ("slab", "stacked"):
        with h5py.File(*cxi_files(tmp_path / directory)) as file:
            masks.append(file[MASK][:])
    height, width = shape[-2:]
    for panel, (row, column) in enumerate(places or [(0, 0)]):
        here = np.s_[row:row + height, column:column + width]
        there = np.s_[panel * height:(panel + 1) * height]
        for stamp, event in stacked.items():
            placed = slab[stamp]
            np.testing.assert_array_equal(placed.image[here], event.image[there])
            np.testing.assert_array_equal(placed.segmap[here], event.segmap[there])
            on = event.panel == panel
            np.testing.assert_array_equal(placed.panel, event.panel)
            np.testing.assert_allclose(placed.x[on], event.x[on] + column, atol=1e-3)
            np.testing.assert_allclose(placed.y[on], event.y[on] + row - panel * height, atol=1e-3)
            np.testing.assert_array_equal(placed.maximum, event.maximum)
        np.testing.assert_array_equal(masks[0][here], masks[1][there])
        masks[0][here] = 2
        for event in slab.values():
            event.image[here], event.segmap[here] = 0, 0
    assert (masks[0] >= 1).all()  # gaps are bad
    assert all(not event.image.any() and not event.segmap.any() for event in slab.values())


def test_the_image_at_a_peak_is_the_spot(tmp_path):
    geometry = tmp_path / "scattered.geom"
    geometry.write_text(scattered())
    # The writer's alone: what the geometry masks may be the brightest pixel of a spot.
    finished(tmp_path, simulated({**SPOTS, "shape": [3, 40, 50], "count": 20, "peaks": 8},
                                 cxi={"geometry": str(geometry)}))
    offsets = []
    for event in events_of(*cxi_files(tmp_path)):
        for y, x, maximum in zip(event.y, event.x, event.maximum):
            top, left = max(round(y) - 2, 0), max(round(x) - 2, 0)
            window = event.image[top:top + 5, left:left + 5]
            assert maximum == window.max()
            offsets.append(np.add(np.unravel_index(window.argmax(), window.shape), (top, left))
                           - (y, x))
    assert len(offsets) > 50
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.2


def test_the_geometry_beside_the_files_is_the_users_with_our_places(tmp_path, detector):
    geometry, shape, places = detector
    run_with(tmp_path, geometry, {"shape": shape, "count": 2})
    [written] = (tmp_path / "out").glob("*.geom")
    before, after = (load_crystfel_geometry(str(path)) for path in (geometry, written))
    assert list(before.detector["panels"]) == list(after.detector["panels"])
    for name, panel in after.detector["panels"].items():
        assert panel["data"] == DATA
        assert panel["dim_structure"] == ["%", "ss", "fs"]
        for key, value in before.detector["panels"][name].items():
            ours = key in ("data", "dim_structure") or key.startswith("mask")
            assert ours or repr(panel[key]) == repr(value), (name, key)  # NaN is NaN
    assert repr(after.detector["bad"]) == repr(before.detector["bad"])
    assert after.beam["photon_energy_from"] in (ENERGIES, ENERGIES + "eV")  # it keeps the unit
    # Lines of the user's that say something else are all there.
    lines = written.read_text().splitlines()
    kept = [line for line in geometry.read_text().splitlines()
            if not line.startswith(("mask", "photon_energy"))]
    assert [line for line in lines if line in kept] == kept
    with h5py.File(*cxi_files(tmp_path)) as file:
        assert (MASK in file) == any(line.startswith("mask0_data") for line in lines)


# ---------------------------------------------------------------- camera length and energy

def test_the_camera_length_may_come_from_the_encoder(tmp_path):
    geometry = tmp_path / "encoder.geom"
    geometry.write_text(gaps().replace("clen = 0.1 ;", "clen = /some/where mm ;"))
    images = np.zeros((3, 59, 50), np.int32)
    images[:, 20:23, 10:13] = 900
    message = hdf5_message(images, encoder=[85.5, np.nan, 0.0], wavelength=[1.3, 1.3, np.nan])
    topology = writer_behind_socket(
        edges="socket -> decode -> infer -> peaks -> cxi", detector={"geometry": str(geometry)},
        decode={"fields": {"encoder": "/data/encoder"}},
        infer={"threshold": {"max_share": 1}}, peaks={"min_num_peak": 1})
    with Run(tmp_path, topology) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all([message])
        run.finish()
        assert sum("without a camera length" in line for line in run.lines) == 1
    columns = laboratory(*cxi_files(tmp_path))
    assert columns["nPeaks"].tolist() == [1, 1, 1]
    np.testing.assert_allclose(columns["peakZLab"][:, 0], [0.0855, np.nan, 0])
    assert np.isnan(columns["peakResolution"][:, 0]).tolist() == [False, True, True]
    assert np.isfinite(columns["peakXLab"][:, 0]).all()
    [written] = (tmp_path / "out").glob("*.geom")
    assert "clen = /LCLS/detector_1/EncoderValue mm ; metres\n" in written.read_text()


def test_the_geometry_knows_the_energy_where_the_events_do_not(tmp_path):
    geometry = tmp_path / "energy.geom"
    geometry.write_text("wavelength = 1.3 A\n" + gaps())
    message = hdf5_message(np.ones((2, 59, 50), np.int32), wavelength=[np.nan, 2.0])
    topology = writer_behind_socket(detector={"geometry": str(geometry)})
    with Run(tmp_path, topology) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all([message])
        run.finish()
    with h5py.File(*cxi_files(tmp_path)) as file:
        np.testing.assert_allclose(file[ENERGIES], [12398.4193 / 1.3, 12398.4193 / 2])


# ---------------------------------------------------------------- rings of resolution

def test_peaks_outside_of_the_ring_are_dropped_and_counted(tmp_path):
    geometry = tmp_path / "scattered.geom"
    # Pixels so large that the ring's ends are among them.
    geometry.write_text(scattered().replace("res = 13000", "res = 700"))
    source = {"shape": [3, 40, 50], "count": 15, "peaks": 12}
    run_with(tmp_path / "all", geometry, source)
    [path] = cxi_files(tmp_path / "all")
    with h5py.File(path) as file:
        numbers, found = file[RESULTS + "nPeaks"][:], file[RESULTS + "peakResolution"][:]
    found = np.concatenate([row[:n] for row, n in zip(found, numbers)])
    low, high = np.nanpercentile(found, [25, 75])
    report = run_with(tmp_path / "ring", geometry, source,
                      peaks={"min_resolution": low, "max_resolution": high})
    [path] = cxi_files(tmp_path / "ring")
    with h5py.File(path) as file:
        kept = np.concatenate([row[:n] for row, n in zip(file[RESULTS + "peakResolution"][:],
                                                         file[RESULTS + "nPeaks"][:])])
    # Positions in a file are rounded to float32.
    clear = (np.abs(found - low) > 1e-5) & (np.abs(found - high) > 1e-5)
    expected = (found >= low) & (found <= high)
    assert abs(len(kept) - expected.sum()) <= (~clear).sum()
    assert kept.min() >= low - 1e-5 and kept.max() <= high + 1e-5
    counters = node(report, "peaks")["counters"]
    assert abs(counters["peaks_below_min_resolution"] - (found < low).sum()) <= 1
    assert abs(counters["peaks_above_max_resolution"] - (found > high).sum()) <= 1
    assert counters.get("peaks_without_resolution", 0) == np.isnan(found).sum()
    assert counters["peaks_found"] == len(found)


@pytest.mark.parametrize("peaks,said", [
    ({"min_resolution": 1}, "'min_resolution' and 'max_resolution' need 'geometry'"),
    ({"geometry": "a.geom", "min_resolution": 2, "max_resolution": 1},
     "'max_resolution' must not be less than 'min_resolution'")])
def test_a_ring_that_cannot_be_is_told(tmp_path, peaks, said):
    done = pnflow("validate", write_graph(tmp_path, simulated(SPOTS, peaks=peaks)))
    assert done.returncode == 2
    assert said in done.stderr


# ---------------------------------------------------------------- faults

def test_a_wrong_geometry_ends_the_run_with_file_and_line(tmp_path):
    geometry = tmp_path / "wrong.geom"
    geometry.write_text(gaps().replace("left/corner_x = -25.5", "left/corner_x = FIXME"))
    line = geometry.read_text().split("left/corner_x")[0].count("\n") + 1
    topology = simulated({**SPOTS, "shape": [59, 50]}, detector={"geometry": str(geometry)})
    done = pnflow("run", write_graph(tmp_path, topology), cwd=tmp_path)
    assert done.returncode == 1
    assert f"{geometry}:{line}: 'left/corner_x': expected a number, found 'FIXME'" in done.stderr


@pytest.mark.parametrize("make,shape,said", [
    (gaps, [60, 50], "3 modules lie in 59x50 pixels (rows x columns); the images are 60x50"),
    (gaps, [3, 30, 20], "module 'top' is 9x47 (fs 3..49, ss 50..58); the panels of the images are "
                        "30x20"),
    (scattered, [4, 40, 50], "the geometry has 3 modules; the images have 4 panels")])
def test_images_that_do_not_fit_the_geometry_are_refused_with_both_shapes(tmp_path, make, shape,
                                                                          said):
    geometry = tmp_path / "other.geom"
    geometry.write_text(make())
    topology = simulated({**SPOTS, "shape": shape}, detector={"geometry": str(geometry)})
    done = pnflow("run", write_graph(tmp_path, topology), cwd=tmp_path)
    assert done.returncode == 1
    assert f"{geometry}: {said}" in done.stderr.replace("the geometry's ", "")
    # A writer that learns it from the first message loses the events, and says so.
    topology = simulated({**SPOTS, "shape": shape}, cxi={"geometry": str(geometry)})
    with Run(tmp_path, topology) as run:
        report = run.finish(1)
        assert said in run.output.replace("the geometry's ", "")
    assert report["events"]["failed"].keys() <= {"wrong shape"}
    assert report["events"]["delivered"] == 0
