"""Simulated events as they arrive in CXI files: reproducible, on time, and with peaks that scipy
sees at the places where pnflow finds them."""

import time

import h5py
import numpy as np
import pytest
import scipy.ndimage
import scipy.spatial

from chains import recorded, sim_source, simulated
from cxi import DATA, RESULTS, STAMPS, cxi_files
from support import Run, finished, graph, node

START = 1767225600  # the default start_time


def images_and_stamps(directory) -> tuple[np.ndarray, np.ndarray]:
    images, stamps = [], []
    for path in cxi_files(directory):
        with h5py.File(path) as file:
            images.append(file[DATA][:])
            stamps.append(file[STAMPS][:])
    return np.concatenate(images), np.concatenate(stamps)


def pulse(event) -> int:
    """The time stamp of an event at 120 Hz."""
    return START + event // 120 << 32 | event % 120 * 1_000_000_000 // 120


# ---------------------------------------------------------------- what is sent

def test_the_same_seed_gives_the_same_pixels_and_another_others(tmp_path):
    images = {}
    for name, seed in [("first", 5), ("again", 5), ("other", 6)]:
        finished(tmp_path / name, recorded({"seed": seed}))
        images[name], _ = images_and_stamps(tmp_path / name)
    assert len(images["first"]) == 12
    np.testing.assert_array_equal(images["again"], images["first"])
    for event, other in zip(images["first"], images["other"]):
        assert (event != other).mean() > 0.5
    assert len(np.unique(images["first"], axis=0)) == 12


def test_an_event_does_not_depend_on_the_messages_that_events_come_in(tmp_path):
    finished(tmp_path / "1", recorded({"events_per_message": 1}))
    images, stamps = images_and_stamps(tmp_path / "1")
    for events in [5, 12, 100]:
        report = finished(tmp_path / str(events), recorded({"events_per_message": events}))
        assert report["messages"]["decoded"] == -(-12 // events)
        others = images_and_stamps(tmp_path / str(events))
        np.testing.assert_array_equal(others[0], images)
        np.testing.assert_array_equal(others[1], stamps)


def test_a_count_that_fills_no_message_is_sent_once_at_120_hz(tmp_path):
    report = finished(tmp_path, recorded({"count": 250, "events_per_message": 8, "shape": [5, 6]}))
    events = report["events"]
    assert events["decoded"] == events["delivered"] == events["expected"] == 250
    assert (events["missing"], report["messages"]["decoded"]) == (0, 32)
    _, stamps = images_and_stamps(tmp_path)
    assert stamps.tolist() == [pulse(event) for event in range(250)]


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [[1, 1], [1, 1, 1], [1, 33, 47], [3, 17, 23]], ids=str)
def test_every_shape_and_type_goes_through_the_whole_chain(tmp_path, shape, dtype):
    report = finished(tmp_path, simulated({"shape": shape, "dtype": dtype, "count": 7,
                                           "events_per_message": 3, "peaks": 2, "background": 20,
                                           "noise": 3}))
    assert report["events"]["delivered"] == 7
    images, stamps = images_and_stamps(tmp_path)
    rows = np.prod(shape[:-1])
    assert images.shape == (7, rows, shape[-1]) and images.dtype == dtype
    assert sorted(stamps) == [pulse(event) for event in range(7)]
    if rows > 1:  # or else there is nothing but a spot
        assert 18 < np.median(images) < 22
        assert (images.max(axis=(1, 2)) > 100).all()


def test_preloaded_messages_come_round_with_new_time_stamps(tmp_path):
    finished(tmp_path, recorded({"preload": 2, "events_per_message": 3, "count": 14}))
    images, stamps = images_and_stamps(tmp_path)
    assert len(np.unique(images[:6], axis=0)) == 6
    np.testing.assert_array_equal(images, images[np.arange(14) % 6])
    assert stamps.tolist() == [pulse(event) for event in range(14)]


def test_the_rate_is_that_of_events(tmp_path):
    # The sixth and last message leaves when the 50 events before it have had their time.
    report = finished(tmp_path, recorded({"rate": "100 Hz", "count": 60, "events_per_message": 10}))
    assert 0.5 <= report["wall_s"] < 5


def test_bad_pixels_are_given_as_a_mask_and_never_found_as_peaks(tmp_path):
    report = finished(tmp_path, simulated({"shape": [2, 40, 50], "peaks": 60, "bad_pixels": 0.02,
                                           "amplitude": [300, 1000], "background": 100},
                                          cxi={"save_segmap": True}))
    assert report["events"]["delivered"] == 12
    [path] = cxi_files(tmp_path)
    with h5py.File(path) as file:
        mask, images = file["/entry_1/data_1/mask"][:], file[DATA][:]
        found = file[RESULTS + "segmentation_map"][:]
    assert mask.shape == images.shape[1:] and mask.dtype == np.uint8
    assert mask.sum() == round(0.02 * mask.size) and mask.max() == 1
    dead, hot = images[0] == 0, images[0] > 2000
    assert (mask == (dead | hot)).all() and dead.any() and hot.any()
    assert (images[:, mask == 1] == images[0, mask == 1]).all()
    assert found.any() and not found[:, mask == 1].any()


# ---------------------------------------------------------------- what is found

def local_maxima(image) -> np.ndarray:
    """Rows and columns of what stands out of its surroundings by 150 ADU."""
    highest = scipy.ndimage.maximum_filter(image, 9) == image
    labels, count = scipy.ndimage.label(highest & (image > np.median(image) + 150),
                                        np.ones((3, 3)))
    return np.array(scipy.ndimage.center_of_mass(labels > 0, labels, range(1, count + 1)))


def test_the_peaks_that_are_found_are_those_that_scipy_sees(tmp_path):
    panels, height, width = 4, 150, 160
    finished(tmp_path, simulated({"shape": [panels, height, width], "count": 10, "peaks": 50,
                                  "amplitude": [500, 2000]}))
    seen = found = matched = 0
    [path] = cxi_files(tmp_path)
    with h5py.File(path) as file:
        for i, count in enumerate(file[RESULTS + "nPeaks"]):
            y, x, panel = (file[RESULTS + name][i, :count] for name in
                           ("peakYPosRaw", "peakXPosRaw", "peakSegPosRaw"))
            for p, image in enumerate(file[DATA][i].reshape(panels, height, width)):
                maxima = local_maxima(image)
                peaks = np.stack([y - p * height, x], 1)[panel == p]
                # At most 1.5 pixels apart, a maximum and a peak are one.
                near = scipy.spatial.distance.cdist(maxima, peaks) < 1.5
                assert near.sum(axis=0).max() <= 1 and near.sum(axis=1).max() <= 1
                seen, found, matched = seen + len(maxima), found + len(peaks), matched + near.sum()
    assert seen == 10 * 50  # as many as were put in
    assert matched >= 0.99 * seen
    assert matched >= 0.99 * found


# ---------------------------------------------------------------- several ends

@pytest.mark.sanitizer
def test_two_sources_are_merged(tmp_path):
    later = {"seed": 2, "start_time": START + 1000, "count": 7, "events_per_message": 3}
    finished(tmp_path / "a", recorded({}))
    finished(tmp_path / "b", recorded(later))
    nodes = {"a": sim_source(), "b": sim_source(**later),
             "cxi": {"type": "cxi_writer", "directory": "out"}}
    report = finished(tmp_path, graph(nodes, ["a -> cxi", "b -> cxi"]))
    assert report["messages"]["received"] == 12 + 3
    assert report["events"]["expected"] == report["events"]["delivered"] == 12 + 7
    pixels = {}
    for directory in ("a", "b"):
        images, stamps = images_and_stamps(tmp_path / directory)
        pixels.update(zip(stamps.tolist(), images))
    images, stamps = images_and_stamps(tmp_path)
    assert sorted(stamps.tolist()) == sorted(pixels)
    for stamp, image in zip(stamps.tolist(), images):
        np.testing.assert_array_equal(image, pixels[stamp])


def test_an_observer_sees_every_event_and_none_is_counted_twice(tmp_path):
    nodes = {"source": sim_source(events_per_message=5),
             "cxi": {"type": "cxi_writer", "directory": "out"},
             "eye": {"type": "null_sink", "observer": True}}
    report = finished(tmp_path, graph(nodes, ["source -> cxi", "source -> eye"]))
    assert report["events"]["delivered"] == report["events"]["decoded"] == 12
    assert len(images_and_stamps(tmp_path)[0]) == 12
    eye = node(report, "eye")
    assert (eye["messages"], eye["events"]) == (3, 12)


def test_without_a_count_a_signal_ends_the_run(tmp_path):
    with Run(tmp_path, simulated({"count": 0, "rate": "200 Hz"})) as run:
        run.wait_running()
        while not list((tmp_path / "out").glob("*.partial")):
            assert run.process.poll() is None, run.output
            time.sleep(0.01)
        run.signal()
        report = run.finish()
    assert report["events"]["delivered"] > 0
    assert report["events"]["expected"] is None
