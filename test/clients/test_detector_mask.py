"""Masks of a detector, from a file and a geometry, in everything that reads them."""

import h5py
import numpy as np
import pytest

from chains import simulated, writer_behind_socket
from cxi import cxi_files, events_of
from geometries import gaps, panel, scattered
from peers import Push
from support import Run, finished, pnflow, write_graph

MASK = "/entry_1/data_1/mask"
SHAPE = [3, 40, 50]
SOURCE = {"shape": SHAPE, "count": 3, "peaks": 10}
random = np.random.default_rng(3)
BAD = random.random(SHAPE) < 0.1
SLAB_PLACES = [(60, 70), (7, 2), (3, 58)]  # of scattered()


def mask_file(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name.replace("__", "/")] = values
    return str(path)


def written_mask(directory):
    with h5py.File(*cxi_files(directory)) as file:
        return file[MASK][:] if MASK in file else None


def in_slab(panels, fill=1):
    slab = np.full((100, 120), fill, np.uint8)
    for values, (row, column) in zip(panels, SLAB_PLACES):
        slab[row:row + 40, column:column + 50] = values
    return slab


def geometry_file(tmp_path, text):
    path = tmp_path / "detector.geom"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("mask,dataset", [
    ({"mask": BAD.astype("u1") * 7}, None),
    ({"mask": BAD.reshape(120, 50).astype("i4")}, None),
    ({"entry_1__data_1__mask": BAD.astype("u2")}, None),
    ({"mask": np.zeros(SHAPE, "u1"), "other__place": BAD.astype("i8")}, "/other/place"),
])
def test_a_mask_in_any_of_its_forms_is_that_of_the_file(tmp_path, mask, dataset):
    file = mask_file(tmp_path / "mask.h5", **mask)
    detector = {"mask": {"file": file, "dataset": dataset} if dataset else file}
    finished(tmp_path, simulated(SOURCE, detector=detector))
    np.testing.assert_array_equal(written_mask(tmp_path), BAD.reshape(120, 50))


def test_a_peak_under_the_mask_is_not_found(tmp_path):
    columns = np.zeros(SHAPE, "u1")
    columns[:, :, 20:] = 1
    file = mask_file(tmp_path / "mask.h5", mask=columns)
    finished(tmp_path, simulated({**SOURCE, "count": 20}, detector={"mask": file}))
    x = np.concatenate([event.x for event in events_of(*cxi_files(tmp_path))])
    assert len(x) > 20 and x.max() < 20


def test_a_node_may_have_a_mask_of_its_own_or_none(tmp_path):
    shared = mask_file(tmp_path / "shared.h5", mask=np.ones(SHAPE, "u1"))
    own = mask_file(tmp_path / "own.h5", mask=BAD.astype("u1"))
    finished(tmp_path / "own", simulated({**SOURCE, "mask": own}, detector={"mask": shared}))
    np.testing.assert_array_equal(written_mask(tmp_path / "own"), BAD.reshape(120, 50))
    finished(tmp_path / "none", simulated({**SOURCE, "mask": None}, detector={"mask": shared}))
    assert written_mask(tmp_path / "none") is None


def test_masks_of_message_file_and_geometry_add_up(tmp_path):
    own = (random.random(SHAPE) < 0.1).astype("u1")
    file = mask_file(tmp_path / "mask.h5", mask=BAD.astype("u1"))
    geometry = geometry_file(tmp_path, scattered())
    images = random.poisson(5, (2, *SHAPE)).astype("i4")
    with h5py.File(tmp_path / "message.h5", "w") as made:
        made["/data/data"] = images
        made["/data/mask"] = own
    message = (tmp_path / "message.h5").read_bytes()
    topology = writer_behind_socket(detector={"mask": file, "geometry": geometry},
                                    decode={"fields": {"mask": "/data/mask"}})
    with Run(tmp_path, topology) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all([message])
        run.finish()
    expected = in_slab(BAD | own)
    expected[7:47, 2:4] = 1  # badstrip
    # badbeam: pixels whose centres are in the rectangle
    for i, (row, column) in enumerate(SLAB_PLACES):
        for asic in range(2):
            fs, ss = np.meshgrid(np.arange(25) + 0.5, np.arange(40) + 0.5)
            x = 80 * i + 16 * asic + 0.6 * fs - 0.8 * ss
            y = -40 + 21.5 * asic + 0.8 * fs + 0.6 * ss
            beam = (x >= 75) & (x <= 90) & (y >= -30) & (y <= 0)
            left = column + 25 * asic
            expected[row:row + 40, left:left + 25] |= beam.astype("u1")
    np.testing.assert_array_equal(written_mask(tmp_path), expected)


def test_a_mask_of_the_slab_is_taken_apart(tmp_path):
    slab = in_slab(BAD, fill=0)
    file = mask_file(tmp_path / "mask.h5", mask=slab)
    geometry = geometry_file(tmp_path, scattered().split("badstrip")[0])
    finished(tmp_path, simulated(SOURCE, detector={"mask": file, "geometry": geometry}))
    np.testing.assert_array_equal(written_mask(tmp_path), in_slab(BAD))


def test_pixels_of_no_panel_are_bad(tmp_path):
    geometry = geometry_file(tmp_path, gaps().split("badbeam")[0] + gaps().split("max_y = 4\n")[1]
                             .split("badedge")[0])
    finished(tmp_path, simulated({**SOURCE, "shape": [59, 50]}, detector={"geometry": geometry}))
    expected = np.ones((59, 50))
    for rows, columns in [((5, 35), (3, 23)), ((5, 35), (30, 50)), ((50, 59), (3, 50))]:
        expected[slice(*rows), slice(*columns)] = 0
    np.testing.assert_array_equal(written_mask(tmp_path), expected)


@pytest.mark.parametrize("named", ["mask_file = mask.h5\nmask = /mask\n", "mask = /mask\n"])
def test_bits_of_a_mask_are_good_and_bad_as_the_geometry_says(tmp_path, named):
    bits = random.integers(0, 16, (40, 64)).astype("u2")
    file = mask_file(tmp_path / "mask.h5", mask=bits)
    text = "clen = 0.1\nres = 10000\nadu_per_photon = 1\n"
    text += named + "mask_good = 0x1\nmask_bad = 0x6\n"
    text += panel("p0", 0, 0, 64, 40, "+1.0x +0.0y", "+0.0x +1.0y", (0, 0))
    source = {**SOURCE, "shape": [40, 64]}
    finished(tmp_path, simulated(source, detector={"mask": file,
                                                   "geometry": geometry_file(tmp_path, text)}))
    np.testing.assert_array_equal(written_mask(tmp_path), (bits & 1 == 0) | (bits & 6 != 0))


# ---------------------------------------------------------------- faults

def failed(tmp_path, detector, source=SOURCE):
    done = pnflow("run", write_graph(tmp_path, simulated(source, detector=detector)), cwd=tmp_path)
    assert done.returncode == 1
    return done.stderr


def test_a_mask_that_does_not_fit_is_told_with_file_data_set_and_both_shapes(tmp_path):
    file = mask_file(tmp_path / "mask.h5", mask=np.zeros((3, 41, 50), "u1"))
    assert (f"the mask '/mask' of '{file}' is 3x41x50; the images are 3x40x50, which takes 3x40x50 "
            "or 120x50") in failed(tmp_path, {"mask": file})
    geometry = geometry_file(tmp_path, scattered())
    assert f"or the slab of {geometry}, 100x120" in failed(tmp_path, {"mask": file,
                                                                      "geometry": geometry})


def test_a_mask_that_is_not_there_is_told(tmp_path):
    file = mask_file(tmp_path / "mask.h5", other=np.zeros(SHAPE, "u1"))
    assert "has neither '/mask' nor" in failed(tmp_path, {"mask": file})
    assert "has no data set '/x'" in failed(tmp_path, {"mask": {"file": file, "dataset": "/x"}})
    assert "there is no mask file 'none.h5'" in failed(tmp_path, {"mask": "none.h5"})


@pytest.mark.parametrize("detector,said", [
    ({"mask": {"file": "m.h5", "datset": "/x"}}, "unknown key 'datset' of 'mask'"),
    ({"mask": {"dataset": "/x"}}, "'mask' needs 'file', a text"),
    ({"mask": ["m.h5"]}, "'mask' is a map of parameters, not a list"),
    ({"geometri": "a.geom"}, "no node of this graph takes 'geometri' of 'detector'"),
])
def test_a_wrong_detector_is_told_by_validate(tmp_path, detector, said):
    done = pnflow("validate", write_graph(tmp_path, simulated(SOURCE, detector=detector)))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith(str(tmp_path / "graph.yaml:"))


def test_the_detector_can_be_set_and_shows_in_the_resolved_graph(tmp_path):
    graph = write_graph(tmp_path, simulated(SOURCE))
    done = pnflow("validate", graph, "--resolved", "--set", "detector.geometry=a.geom",
                  "--set", "detector.mask=b.h5", "--set", "source.geometry=own.geom")
    assert done.returncode == 0, done.stderr
    source, cxi = (next(line for line in done.stdout.splitlines() if f"type: {kind}" in line)
                   for kind in ("sim_source", "cxi_writer"))
    assert "geometry: \"own.geom\"" in source and "geometry: \"a.geom\"" in cxi
    assert "mask: { file: \"b.h5\", dataset: \"\" }" in source
