"""`pnflow push --format`: messages of every format, judged by NumPy, h5py, cbor2 and hdf5plugin."""

import io
import zipfile

import cbor2
import h5py
import numpy as np
import pytest

from cxi import cxi_files
from message_formats import (READERS, concatenated, cxi_file, of_hdf5, of_npay, of_npz, of_simplon,
                             write_data_file)
from peers import Pull
from support import Process, Run, expected, graph, message_files, pnflow

SIMULATION = ["--sim", "--count", "7", "--shape", "2x64x80", "--peaks", "5", "--seed", "4"]


def pushed(*arguments) -> list[bytes]:
    with Pull() as pull, Process("push", "--connect", pull.endpoint, *arguments) as push:
        taken = pull.take()
        assert push.wait() == 0, push.output
    return taken


@pytest.fixture(scope="module")
def simulated() -> dict:
    """The simulated events, as HDF5 has them."""
    return concatenated(map(of_hdf5, pushed(*SIMULATION)))


# ---------------------------------------------------------------- simulated events

@pytest.mark.parametrize("form, compression", [("hdf5", "gzip"), ("hdf5", "bitshuffle_lz4"),
                                               ("npz", None), ("npz", "none"), ("npz", "deflate"),
                                               ("npay", None), ("npay", "none")])
def test_simulated_events_are_the_same_in_every_format(simulated, form, compression):
    arguments = ["--compression", compression] if compression else []
    taken = pushed(*SIMULATION, "--format", form, "--events-per-message", "3", *arguments)
    messages = [READERS[form](message) for message in taken]
    assert [len(message["data"]) for message in messages] == [3, 3, 1]
    events = concatenated(messages)
    assert events.keys() == simulated.keys() == {"data", "timestamp", "wavelength"}
    for name, values in events.items():
        assert values.dtype == simulated[name].dtype
        assert np.array_equal(values, simulated[name]), name


@pytest.mark.parametrize("compression, method", [("none", zipfile.ZIP_STORED),
                                                 ("deflate", zipfile.ZIP_DEFLATED)])
def test_npz_messages_are_zip_files_as_those_of_lclstreamer(compression, method):
    def members(message):
        with zipfile.ZipFile(io.BytesIO(message)) as archive:
            assert archive.testzip() is None
            return {info.filename: (info.create_version, info.create_system, info.extract_version,
                                    info.flag_bits, info.compress_type, info.date_time, info.extra)
                    for info in archive.infolist()}

    captured = "npz_stored_center_f32" if compression == "none" else "npz_deflate_batch_f32"
    theirs = members(message_files(captured)[0].read_bytes())
    [message] = pushed(*SIMULATION, "--format", "npz", "--events-per-message", "7",
                       "--compression", compression)
    ours = members(message)
    assert ours.keys() == {"detector_data.npy", "timestamp.npy", "photon_wavelength.npy"}
    assert all(ours[name] == theirs[name] and ours[name][4] == method for name in ours)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
def test_a_series_of_simplon_has_a_start_its_images_and_a_stop(dtype):
    arguments = [*SIMULATION, "--dtype", dtype]
    events = concatenated(map(of_hdf5, pushed(*arguments)))
    start, images, stop = of_simplon(pushed(*arguments, "--format", "simplon"))
    assert start["shape"] == "2x64x80" and start["datatype"] == dtype
    assert int(start["start_time"]) == events["timestamp"][0]
    assert np.array_equal(np.stack([image["pixels"] for image in images]), events["data"])
    assert [image["timestamp"] for image in images] == list(events["timestamp"].astype(np.float64))
    for image, wavelength in zip(images, events["wavelength"], strict=True):
        assert image["photon_wavelength"] == wavelength
        assert image["photon_energy"] == pytest.approx(12398.4193 / wavelength, rel=1e-12)
    assert start["timestamp"] <= stop["timestamp"] < start["timestamp"] + 1


def test_messages_have_the_keys_of_captured_ones_in_their_order():
    captured = [cbor2.loads(path.read_bytes()[1:]) for path in message_files("simplon_f64_panels")]
    made = [cbor2.loads(message[1:])
            for message in pushed(*SIMULATION, "--dtype", "float64", "--format", "simplon")]
    for ours, theirs in ((made[0], captured[0]), (made[1], captured[1]), (made[-1], captured[-1])):
        assert list(ours) == list(theirs)
        assert {key: type(value) for key, value in ours.items() if key != "photon_wavelength"} == \
            {key: type(value) for key, value in theirs.items() if key != "photon_wavelength"}
    assert list(made[0]["detector"]) == list(captured[0]["detector"])
    assert list(made[1]["beam_direction"]) == list(captured[1]["beam_direction"])


def test_every_pass_over_the_events_is_a_series_of_its_own():
    taken = pushed("--sim", "--count", "2", "--shape", "64x64", "--format", "simplon",
                   "--loop", "2")
    assert taken[:4] == taken[4:]
    of_simplon(taken[:4])


# ---------------------------------------------------------------- data files

@pytest.fixture
def events():
    random = np.random.default_rng(8)
    return {"data": random.integers(0, 4000, (5, 3, 40, 50)).astype(np.int32),
            "timestamp": (np.arange(5, dtype=np.uint64) + 1_700_000_000 << 32) + 77,
            "wavelength": np.array([1.3, 1.31, np.nan, 1.33, 1.34])}


@pytest.mark.parametrize("form", READERS)
def test_events_of_a_data_file_are_packed_anew(tmp_path, events, form):
    write_data_file(tmp_path / "run.h5", events["data"], timestamp=events["timestamp"],
                    wavelength=events["wavelength"])
    taken = pushed("--files", tmp_path / "run.h5", "--format", form, "--events-per-message", "4")
    messages = [READERS[form](message) for message in taken]
    assert [len(message["data"]) for message in messages] == [4, 1]
    found = concatenated(messages)
    assert found.keys() == events.keys()
    for name, values in events.items():
        assert found[name].dtype == values.dtype
        assert np.array_equal(found[name], values, equal_nan=name == "wavelength"), name


def test_events_of_a_cxi_file_become_a_series_of_simplon(tmp_path, events):
    slab = events["data"].reshape(5, 120, 50)
    cxi_file(tmp_path / "a.cxi", slab, events["timestamp"], [9500.0, 0, 9510.0, 9520.0, 9530.0])
    start, images, _ = of_simplon(pushed("--files", tmp_path / "a.cxi", "--format", "simplon"))
    assert start["shape"] == "120x50"
    assert np.array_equal(np.stack([image["pixels"] for image in images]), slab)
    assert [image.get("photon_energy") for image in images] == [
        pytest.approx(9500), None, pytest.approx(9510), pytest.approx(9520), pytest.approx(9530)]


def test_what_pnflow_has_written_is_sent_again(tmp_path):
    """Simulated events, written to CXI files, and read back by push."""
    nodes = {"source": {"type": "sim_source", "shape": [2, 64, 80], "count": 5},
             "cxi": {"type": "cxi_writer", "directory": "out", "events_per_file": 3}}
    with Run(tmp_path, graph(nodes, "source -> cxi")) as run:
        run.finish()
    files = cxi_files(tmp_path)
    assert len(files) == 2
    images, stamps = [], []
    for path in files:
        with h5py.File(path) as file:
            images.append(file["/entry_1/data_1/data"][()])
            stamps.append(file["/LCLS/detector_1/timestamp"][()])
    taken = pushed("--files", tmp_path / "out" / "*.cxi", "--format", "npz", "--compression",
                   "deflate", "--events-per-message", "2")
    found = concatenated(map(of_npz, taken))
    assert np.array_equal(found["data"], np.concatenate(images))
    assert np.array_equal(found["timestamp"], np.concatenate(stamps))


def test_captured_messages_are_packed_anew_across_files():
    """Three messages of 3, 3 and 3 events become two of 5 and 4; times and pixels stay."""
    files = message_files("hdf5_three_ranks")[:3]
    taken = pushed(*(word for path in files for word in ("--files", path)), "--format", "npay",
                   "--events-per-message", "5")
    found = concatenated(map(of_npay, taken))
    truth = expected("hdf5_three_ranks")
    count = len(found["data"])
    assert count == np.count_nonzero(truth["message"] < 3)
    assert np.array_equal(found["data"], truth["images"][:count])
    assert np.array_equal(found["timestamp"], truth["timestamp_u64"][:count])


def test_count_is_of_events_where_messages_are_made(tmp_path, events):
    write_data_file(tmp_path / "run.h5", events["data"])
    taken = pushed("--files", tmp_path / "run.h5", "--format", "npz", "--events-per-message", "2",
                   "--count", "3")
    assert [len(of_npz(message)["data"]) for message in taken] == [2, 1]
    assert of_npz(taken[0]).keys() == {"data"}  # what is not known is left out


def test_data_files_that_do_not_fit_together_or_are_none_are_named(tmp_path, events):
    write_data_file(tmp_path / "a.h5", events["data"])
    write_data_file(tmp_path / "b.h5", events["data"][:, :2])
    write_data_file(tmp_path / "c.h5", events["data"], timestamp=[1, 2])
    (tmp_path / "text").write_text("no data")
    (tmp_path / "empty.h5").touch()
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["other"] = [1]
    for names, text in [(["a.h5", "b.h5"], "b.h5' has images of 2x40x50 int32"),
                        (["c.h5"], "c.h5': wrong shape"), (["text"], "text': unknown format"),
                        (["empty.h5"], "empty.h5'"), (["d.h5"], "d.h5' has no images")]:
        files = [word for name in names for word in ("--files", tmp_path / name)]
        done = pnflow("push", "--connect", "tcp://127.0.0.1:9", "--format", "npz", *files)
        assert done.returncode == 2
        assert text in done.stderr, done.stderr


@pytest.mark.parametrize("arguments, text", [
    (["--sim", "--format", "zip"], "zip"),
    (["--sim", "--format", "npz", "--compression", "bitshuffle_lz4"],
     "--format npz has no such --compression"),
    (["--sim", "--format", "npay", "--compression", "deflate"],
     "--format npay has no such --compression"),
    (["--sim", "--format", "simplon", "--compression", "none"],
     "--format simplon has no such --compression"),
    (["--sim", "--format", "simplon", "--events-per-message", "2"],
     "--format simplon has one event in a message"),
    (["--files", "x", "--compression", "none"], "--compression needs --sim or --format"),
    (["--files", "x", "--events-per-message", "2"],
     "--events-per-message needs --sim or --format"),
    (["--files", "x", "--dtype", "int16"], "--sim"),
])
def test_settings_that_cannot_be_are_named_with_exit_code_2(arguments, text):
    done = pnflow("push", "--connect", "tcp://127.0.0.1:9", *arguments)
    assert done.returncode == 2
    assert text in done.stdout + done.stderr
