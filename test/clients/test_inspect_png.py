"""Pictures of `pnflow inspect --png`, read by OpenCV: brightness follows the data, and the circles
stand around the spots that were put in."""

from __future__ import annotations

import cv2
import h5py
import numpy as np
import pytest

from chains import IN_ORDER, SHAPE, chain, simulated
from cxi import DATA, RESULTS, STAMPS, cxi_files
from peers import Push
from pictures import (CIRCLE, GAP, MASKED, NOT_FINITE, brightness, check_circles, circles, near,
                      picture, pixels_of, shrunk)
from support import Run, expected, finished, hdf5_message, messages, pnflow

C, H, W = SHAPE


# ---------------------------------------------------------------- pixels

@pytest.mark.parametrize("colours", ["viridis", "grey"])
def test_brightness_follows_the_data(tmp_path, colours):
    rng = np.random.default_rng(5)
    image = rng.normal(10, 3, (60, 70)).astype(np.float32)
    image[20:40, 30] = np.geomspace(20, 20000, 20)
    path = tmp_path / "a.bin"
    path.write_bytes(hdf5_message(image[None]))
    pixels, document = picture(path, "--colours", colours)
    scale = document["picture"]["scale"]
    assert scale == 8
    small = shrunk(pixels, scale)
    order = np.argsort(image, axis=None)
    assert (np.diff(brightness(small.reshape(-1, 3)[order])) >= -0.5).all()
    assert (np.diff(brightness(small[20:40, 30])) > 2).all()
    assert document["picture"]["high"] == image.max()


def test_panels_stand_in_a_grid_with_gaps(tmp_path):
    images = np.arange(5, dtype=np.uint16)[None, :, None, None] * 100 + np.zeros((1, 5, 6, 9), "u2")
    path = tmp_path / "a.bin"
    path.write_bytes(hdf5_message(images))
    for columns in [2, 5, None]:
        arguments = [] if columns is None else ["--columns", columns]
        pixels, document = picture(path, "--scale", 1, "--colours", "grey", *arguments)
        columns = columns or 2
        assert document["picture"]["columns"] == columns
        rows = -(-5 // columns)
        assert pixels.shape == (rows * (6 + GAP) - GAP, columns * (9 + GAP) - GAP, 3)
        rest = np.ones(pixels.shape[:2], bool)
        last = -1
        for panel in range(5):
            top, left = panel // columns * (6 + GAP), panel % columns * (9 + GAP)
            inside = (slice(top, top + 6), slice(left, left + 9))
            [shade] = np.unique(pixels[inside])
            assert shade > last
            last = shade
            rest[inside] = False
        assert (pixels[rest] == 255).all()


def test_masked_and_non_finite_pixels_have_colours_of_their_own(tmp_path):
    rng = np.random.default_rng(6)
    image = rng.normal(10, 3, (2, 30, 40)).astype(np.float32)
    bad = rng.random((2, 30, 40)) < 0.02
    image[bad] = 1e6  # would take all of the colours
    image[1, 3, 4] = np.nan
    image[1, 3, 5] = -np.inf
    path, mask = tmp_path / "a.bin", tmp_path / "mask.h5"
    path.write_bytes(hdf5_message(image[None]))
    with h5py.File(mask, "w") as file:
        file["mask"] = bad.astype("u1")
    pixels, document = picture(path, "--scale", 2, "--columns", 2, "--mask", mask)
    small = shrunk(pixels, 2)
    panels = np.stack([small[:, :40], small[:, 42:]])
    finite = np.isfinite(image)
    np.testing.assert_array_equal(pixels_of(panels, MASKED), bad & finite)
    np.testing.assert_array_equal(pixels_of(panels, NOT_FINITE), ~finite & ~bad)
    said = document["picture"]
    assert (said["masked"], said["non_finite"]) == (bad.sum(), 2)
    assert said["high"] == image[finite & ~bad].max()


def test_what_cannot_be_drawn_is_said(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(hdf5_message(np.zeros((1, 10, 12), np.uint16)))
    for arguments, named in [
            (["--columns", 2], "--panel-height"),
            (["--columns", 2, "--panel-height", 3], "10 rows"),
            (["--mask", tmp_path / "none.h5"], "none.h5")]:
        done = pnflow("inspect", path, "--png", tmp_path / "a.png", *arguments)
        assert done.returncode == 1 and named in done.stderr
    done = pnflow("inspect", path, "--png", tmp_path / "no" / "a.png")
    assert done.returncode == 1 and "no/a.png" in done.stderr
    assert pnflow("inspect", path, "--columns", 2).returncode == 2
    done = pnflow("inspect", path, "--png", tmp_path / "a.png", "--panel-height", 5)
    assert done.returncode == 2 and "--columns" in done.stderr
    panels = tmp_path / "panels.bin"
    panels.write_bytes(hdf5_message(np.zeros((1, 4, 10, 12), np.uint16)))
    done = pnflow("inspect", panels, "--png", tmp_path / "a.png", "--columns", 2,
                  "--panel-height", 5)
    assert done.returncode == 1
    assert "--panel-height is for images without panels, this one is 4x10x12" in done.stderr
    assert not (tmp_path / "a.png").exists()


# ---------------------------------------------------------------- peaks

@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    """A CXI file of captured events of 4x176x192, and the spots that were put into them."""
    name = "hdf5_bslz4_u16_panels"
    directory = tmp_path_factory.mktemp("captured")
    with Run(directory, chain(cxi=IN_ORDER)) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(messages(name))
        run.finish()
    [path] = cxi_files(directory)
    return path, expected(name)["spots"]


@pytest.mark.parametrize("event", range(4))
def test_circles_stand_around_the_spots_of_a_stacked_image(captured, event):
    path, spots = captured
    _, panel, row, column, _ = spots[spots[:, 0] == event].T
    pixels, document = picture(path, event=event)
    scale = document["picture"]["scale"]
    assert pixels.shape == (4 * 176 * scale, 192 * scale, 3)
    count = document["picture"]["peaks"]
    assert count == len(document["event"]["peaks"]) >= 10
    x = (column + 0.5) * scale - 0.5
    y = (panel * 176 + row + 0.5) * scale - 0.5
    truth = np.stack([x, y], axis=1)
    found = np.array([[peak["x"], peak["y"]] for peak in document["event"]["peaks"]])
    check_circles(pixels, near(truth, (found + 0.5) * scale - 0.5, scale), scale, least=5)


@pytest.mark.parametrize("arguments", [["--columns", 2], ["--columns", 3, "--panel-height", 176],
                                       ["--columns", 2, "--scale", 3]], ids=str)
def test_circles_move_with_the_panels_of_a_grid(captured, arguments):
    path, spots = captured
    columns = arguments[1]
    _, panel, row, column, _ = spots[spots[:, 0] == 1].T
    pixels, document = picture(path, *arguments, event=1)
    scale = document["picture"]["scale"]
    left, top = panel % columns * (192 + GAP), panel // columns * (176 + GAP)
    truth = (np.stack([left + column, top + row], axis=1) + 0.5) * scale - 0.5
    found = [[peak["x"] + peak["panel"] % columns * (192 + GAP),
              peak["y"] - peak["panel"] * 176 + peak["panel"] // columns * (176 + GAP)]
             for peak in document["event"]["peaks"]]
    found = (np.array(found) + 0.5) * scale - 0.5
    check_circles(pixels, near(truth, found, scale), scale, least=5)


def test_simulated_spots_are_circled_and_bad_pixels_marked(tmp_path):
    finished(tmp_path, simulated({"count": 2, "bad_pixels": 0.01, "peaks": 8},
                                 cxi={"events_per_file": 4, **IN_ORDER}))
    [path] = cxi_files(tmp_path)
    pixels, document = picture(path, event=1)
    scale = document["picture"]["scale"]
    with h5py.File(path) as file:
        image = file[DATA][1].astype(float)
        mask = file["/entry_1/data_1/mask"][:]
        count = file[RESULTS + "nPeaks"][1]
    assert count == document["picture"]["peaks"] == 8
    # The light itself: eight local maxima far above the background, apart from the bad pixels.
    image[mask != 0] = np.median(image)
    smooth = cv2.GaussianBlur(image, (0, 0), 1.2)
    tops = (smooth == cv2.dilate(smooth, np.ones((13, 13)))) & (smooth > np.median(image) + 40)
    truth = np.argwhere(tops)[:, ::-1]
    assert len(truth) == 8
    check_circles(pixels, (truth + 0.5) * scale - 0.5, scale, least=3)
    painted = pixels[scale // 2::scale, scale // 2::scale]
    free = ~pixels_of(painted, CIRCLE)
    np.testing.assert_array_equal(pixels_of(painted, MASKED)[free], (mask != 0)[free])


def test_peaks_that_are_nowhere_are_not_drawn(tmp_path):
    path = tmp_path / "a.cxi"
    image = np.random.default_rng(1).poisson(10, (1, 40, 50)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        file[DATA] = image
        file[STAMPS] = np.array([1 << 32], "u8")
        file[RESULTS + "nPeaks"] = np.array([4], "i4")
        file[RESULTS + "peakXPosRaw"] = np.array([[25, np.nan, 99, 25]], "f4")
        file[RESULTS + "peakYPosRaw"] = np.array([[20, 20, 20, np.inf]], "f4")
    pixels, document = picture(path, "--scale", 4, status=1)  # faults, for CrystFEL
    assert document["picture"]["peaks"] == 1
    centres, _ = circles(pixels)
    np.testing.assert_allclose(centres, [[25.5 * 4 - 0.5, 20.5 * 4 - 0.5]], atol=1)
