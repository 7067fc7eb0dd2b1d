"""CXI files as h5py, numpy and scipy see them: all that CrystFEL needs, in its place."""

import json

import h5py
import hdf5plugin  # noqa: F401 - registers bitshuffle
import numpy as np
import pytest
import scipy.ndimage

from chains import IN_ORDER, SHAPE, recorded, simulated, writer_behind_socket
from cxi import DATA, ENERGIES, RESULTS, STAMPS, Event, by_time, cxi_files, events_of
from peers import Push
from support import Run, expected, finished, hdf5_message, messages, node

C, H, W = SHAPE


# ---------------------------------------------------------------- one file

def test_every_dataset_has_the_shape_and_type_of_the_format(tmp_path):
    report = finished(tmp_path, simulated({"count": 5, "peaks": [3, 12], "events_per_message": 2},
                                          cxi={"save_segmap": True}))
    assert report["events"]["delivered"] == 5
    [path] = cxi_files(tmp_path)
    with h5py.File(path) as file:
        most = file[RESULTS + "nPeaks"][:].max()
        wanted = {
            DATA: ((5, C * H, W), "u2"),
            RESULTS + "segmentation_map": ((5, C * H, W), "u1"),
            RESULTS + "nPeaks": ((5,), "i4"),
            RESULTS + "peakXPosRaw": ((5, most), "f4"),
            RESULTS + "peakYPosRaw": ((5, most), "f4"),
            RESULTS + "peakTotalIntensity": ((5, most), "f4"),
            RESULTS + "peakMaximumValue": ((5, most), "f4"),
            RESULTS + "peakSNR": ((5, most), "f4"),
            RESULTS + "peakNPixels": ((5, most), "i4"),
            RESULTS + "peakSegPosRaw": ((5, most), "i4"),
            ENERGIES: ((5,), "f8"),
            STAMPS: ((5,), "u8"),
            "/LCLS/detector_1/EncoderValue": ((5,), "f4"),
        }
        found = {}
        file.visititems(lambda name, item: found.update({"/" + name: (item.shape, item.dtype)})
                        if isinstance(item, h5py.Dataset) else None)
        assert found == {name: (shape, np.dtype(kind)) for name, (shape, kind) in wanted.items()}
        assert file[DATA].chunks == file[RESULTS + "segmentation_map"].chunks == (1, C * H, W)
        assert not file[DATA].attrs["normalized"]
        assert file.attrs["pnflow_run"] == report["run"]
        assert json.loads(file.attrs["pnflow_config"]) == report["config"]
        snr = file[RESULTS + "peakSNR"][:]
        assert (snr[file[RESULTS + "peakNPixels"][:] > 0] > 0).all()


def test_peaks_stand_where_the_light_is(tmp_path):
    finished(tmp_path, simulated({"count": 20, "amplitude": [500, 2000]}))
    offsets = []
    for event in events_of(*cxi_files(tmp_path)):
        assert len(event.y) > 5
        for y, x, panel, maximum in zip(event.y, event.x, event.panel, event.maximum):
            first_row = panel * H
            assert first_row - 0.5 <= y < first_row + H - 0.5
            # Spots are 9.6 pixels apart: this window has the light of one, and of one panel only.
            top, left = max(round(y) - 3, first_row), max(round(x) - 3, 0)
            window = event.image[top:min(round(y) + 4, first_row + H), left:round(x) + 4]
            brightest = np.unravel_index(window.argmax(), window.shape)
            offsets.append(np.add(brightest, (top, left)) - (y, x))
            assert maximum == window.max()
    assert np.abs(offsets).max() <= 1
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.15


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("infer", [{}, {"output": "uint8", "pad": {"height": 75, "width": 96}}],
                         ids=["bits", "bytes, padded"])
def test_peaks_are_the_components_of_the_stored_map(tmp_path, connectivity, infer):
    # A finder that takes noise for peaks, so that many touch the edges of panels and each other.
    eager = {"snr": 0, "min_intensity": 0, "max_share": 1, "grow_snr": 0.3, "grow_adu": 1,
             "min_pixels": 1}
    finished(tmp_path, simulated({"count": 3}, infer={"threshold": eager, **infer},
                                 peaks={"connectivity": connectivity},
                                 cxi={"save_segmap": True}))
    structure = scipy.ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)
    for event in events_of(*cxi_files(tmp_path)):
        centres, sizes, panels = [], [], []
        for panel, segmap in enumerate(event.segmap.reshape(C, H, W)):
            labels, count = scipy.ndimage.label(segmap, structure)
            index = range(1, count + 1)
            centres += [(panel * H + y, x) for y, x in
                        scipy.ndimage.center_of_mass(segmap != 0, labels, index)]
            sizes += list(np.bincount(labels.ravel())[1:])
            panels += [panel] * count
        assert len(event.y) == len(centres) > 100
        np.testing.assert_allclose(np.stack([event.y, event.x], 1), centres, rtol=0, atol=1e-4)
        np.testing.assert_array_equal(event.npix, sizes)
        np.testing.assert_array_equal(event.panel, panels)


SHUFFLE, BITSHUFFLE = h5py.h5z.FILTER_SHUFFLE, 32008
FILTERS = {  # of uint16 pixels: number and client values
    "none": [],
    "gzip": [(SHUFFLE, (2,)), (h5py.h5z.FILTER_DEFLATE, (1,))],
    "gzip:9": [(SHUFFLE, (2,)), (h5py.h5z.FILTER_DEFLATE, (9,))],
    "bitshuffle_lz4": [(BITSHUFFLE, (0, 4, 2, 0, 2))],
    "bitshuffle_zstd": [(BITSHUFFLE, (0, 4, 2, 0, 3, 1))],
    "bitshuffle_zstd:9": [(BITSHUFFLE, (0, 4, 2, 0, 3, 9))],
}


def test_compression_changes_the_size_and_nothing_else(tmp_path):
    sizes, pixels, maps = {}, {}, {}
    for compression, filters in FILTERS.items():
        directory = tmp_path / compression
        finished(directory, simulated({"count": 4}, cxi={"compression": compression, **IN_ORDER,
                                                         "save_segmap": True}))
        [path] = cxi_files(directory)
        with h5py.File(path) as file:
            data = file[DATA]
            pipeline = data.id.get_create_plist()
            found = [pipeline.get_filter(i) for i in range(pipeline.get_nfilters())]
            assert [(number, values) for number, _, values, _ in found] == filters
            sizes[compression], pixels[compression] = data.id.get_storage_size(), data[:]
            maps[compression] = file[RESULTS + "segmentation_map"][:]
    assert sizes["none"] == 4 * C * H * W * 2
    # Of noise the highest level need not make less than the lowest.
    assert sizes["gzip:9"] != sizes["gzip"] and max(sizes["gzip:9"], sizes["gzip"]) < 70_000
    assert max(sizes["bitshuffle_lz4"], sizes["bitshuffle_zstd"]) < 80_000
    for compression in FILTERS:
        np.testing.assert_array_equal(pixels[compression], pixels["none"])
        np.testing.assert_array_equal(maps[compression], maps["none"])


def test_pixels_become_float32_when_asked_for(tmp_path):
    source = {"count": 4, "dtype": "int16", "background": 0, "noise": 9}
    raw, converted = tmp_path / "raw", tmp_path / "float32"
    for directory in (raw, converted):
        finished(directory, simulated(source, cxi={"data_type": directory.name}))
    of_raw, of_converted = (by_time(events_of(*cxi_files(d))) for d in (raw, converted))
    assert of_raw.keys() == of_converted.keys()
    for stamp, event in of_raw.items():
        assert event.image.dtype == "i2" and of_converted[stamp].image.dtype == "f4"
        assert event.image.min() < 0
        np.testing.assert_array_equal(of_converted[stamp].image, event.image)


# ---------------------------------------------------------------- what is in no file

@pytest.fixture(scope="module")
def all_events(tmp_path_factory) -> dict[int, Event]:
    """Twenty events of 0 to 14 peaks, none vetoed and none cut."""
    directory = tmp_path_factory.mktemp("all")
    finished(directory, simulated({"count": 20, "peaks": [0, 14]}))
    return by_time(events_of(*cxi_files(directory)))


def test_events_with_few_peaks_are_counted_and_in_no_file(tmp_path, all_events):
    # Messages of one event: some have none alive, others all.
    report = finished(tmp_path, simulated({"count": 20, "peaks": [0, 14]},
                                          peaks={"min_num_peak": 7}))
    kept = {stamp for stamp, event in all_events.items() if len(event.y) >= 7}
    assert 0 < len(kept) < 20
    assert by_time(events_of(*cxi_files(tmp_path))).keys() == kept
    assert report["events"]["vetoed"] == {"few peaks": 20 - len(kept)}
    assert report["events"]["delivered"] == len(kept)


def test_the_strongest_peaks_are_stored_and_the_others_counted(tmp_path, all_events):
    report = finished(tmp_path, simulated({"count": 20, "peaks": [0, 14]},
                                          peaks={"max_num_peak": 5}))
    cut = 0
    for stamp, event in by_time(events_of(*cxi_files(tmp_path))).items():
        everything = all_events[stamp].total
        strongest = np.sort(everything)[-5:]
        np.testing.assert_array_equal(event.total, everything[np.isin(everything, strongest)])
        cut += len(everything) - len(event.total)
    assert node(report, "peaks")["counters"]["peaks_cut"] == cut > 0


def test_a_run_whose_events_are_all_vetoed_leaves_no_file(tmp_path):
    report = finished(tmp_path, simulated({"count": 12, "peaks": 0, "events_per_message": 5},
                                          peaks={"min_num_peak": 1}))
    assert report["events"]["vetoed"] == {"few peaks": 12}
    assert report["events"]["delivered"] == 0
    assert list((tmp_path / "out").iterdir()) == []


# ---------------------------------------------------------------- numbers of an event

def run_of_messages(directory, topology, sent):
    """Report and output of a run that is sent these messages."""
    with Run(directory, topology) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(sent)
        return run.finish(), run.lines


def test_energy_encoder_and_time_of_an_event_are_stored(tmp_path):
    stamps = np.array([1_700_000_000 << 32 | 5, 1_700_000_001 << 32 | 999_999_999], np.uint64)
    message = hdf5_message(np.ones((2, 8, 9), np.int32), timestamp=stamps, wavelength=[1.3, 0.8],
                           encoder=[-120.25, 33.5])
    _, lines = run_of_messages(
        tmp_path, writer_behind_socket(decode={"fields": {"encoder": "/data/encoder"}}), [message])
    with h5py.File(*cxi_files(tmp_path)) as file:
        np.testing.assert_array_equal(file[STAMPS], stamps)
        np.testing.assert_allclose(file[ENERGIES], [9537.24562, 15498.024125])
        np.testing.assert_array_equal(file["/LCLS/detector_1/EncoderValue"], [-120.25, 33.5])
        assert file[RESULTS + "nPeaks"][:].tolist() == [0, 0]  # nothing looked for any
        assert file[RESULTS + "peakTotalIntensity"].shape == (2, 1)
    assert not any("warning" in line for line in lines)


def test_a_missing_energy_is_stored_as_0_with_one_warning(tmp_path):
    truth = expected("hdf5_missing_wavelength")
    _, lines = run_of_messages(tmp_path, writer_behind_socket(),
                               messages("hdf5_missing_wavelength"))
    events = by_time(events_of(*cxi_files(tmp_path)))
    energies = [events[int(stamp)].energy for stamp in truth["timestamp_u64"]]
    np.testing.assert_allclose(energies, np.nan_to_num(12398.4193 / truth["wavelength"]))
    assert 0 in energies
    assert sum("events without a photon energy" in line for line in lines) == 1


def test_a_time_stamp_that_crystfel_cannot_read_is_stored_as_0_with_a_warning(tmp_path):
    stamps = np.array([7 << 32, 1 << 63, (1 << 63) - 1], np.uint64)
    message = hdf5_message(np.ones((3, 8, 9), np.float32), timestamp=stamps)
    _, lines = run_of_messages(tmp_path, writer_behind_socket(), [message])
    with h5py.File(*cxi_files(tmp_path)) as file:
        np.testing.assert_array_equal(file[STAMPS], [7 << 32, 0, (1 << 63) - 1])
    assert sum("timestamps of 2^63 and above" in line for line in lines) == 1


def test_images_that_the_producer_has_normalised_are_marked(tmp_path):
    run_of_messages(tmp_path, writer_behind_socket(decode={"normalized": True}),
                    messages("hdf5_none_f32"))
    for path in cxi_files(tmp_path):
        with h5py.File(path) as file:
            assert file[DATA].attrs["normalized"] == 1
