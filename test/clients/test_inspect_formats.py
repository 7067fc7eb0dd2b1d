"""`pnflow inspect` of npz, NPAY and Simplon, against numpy, the bytes themselves and cbor2, and of
records that Python wrote."""

from __future__ import annotations

import zipfile

import cbor2
import numpy as np
import pytest

from inspection import check_events, inspect, sets
from message_formats import read_npay
from support import expected, message_files, messages, pnflow
from tar_records import write_record


@pytest.mark.parametrize("name", sets("npz"))
def test_a_numpy_archive_is_what_numpy_says(name):
    files = message_files(name)
    for path, found in zip(files, inspect(*files)["files"], strict=True):
        assert (found["kind"], found["damage"]) == ("npz", [])
        with np.load(path) as archive:
            arrays = dict(archive.items())
        with zipfile.ZipFile(path) as archive:
            stored = {entry.filename: entry.compress_size for entry in archive.infolist()}
        check_arrays(found, arrays)
        for array in found["arrays"]:
            assert array["stored_bytes"] == stored[array["name"] + ".npy"]
        check_named(found, arrays)


@pytest.mark.parametrize("name", sets("npay"))
def test_a_message_of_npay_is_what_its_bytes_say(name):
    files = message_files(name)
    for path, found in zip(files, inspect(*files)["files"], strict=True):
        assert (found["kind"], found["damage"]) == ("NPAY", [])
        arrays = read_npay(path.read_bytes())
        check_arrays(found, arrays)
        check_named(found, arrays)


def check_arrays(found: dict, arrays: dict[str, np.ndarray]):
    assert [array["name"] for array in found["arrays"]] == sorted(arrays)
    for array in found["arrays"]:
        truth = arrays[array["name"]]
        assert array["shape"] == list(truth.shape)
        assert array["dtype"] == ("text" if truth.dtype.kind == "U" else str(truth.dtype))
        assert array["storage"]


def check_named(found: dict, arrays: dict[str, np.ndarray]):
    """The events, whatever the branch of the producer calls its arrays."""
    images = arrays[found["images"][0]["array"]]
    original = arrays.get("detector_data_original_shape")
    if original is not None and len(images) != original[0]:  # panels merged into the first axis
        images = images.reshape(original[0], original[1], *images.shape[-2:])
    timestamps = arrays[found["timestamps"]["array"]]
    wavelengths = arrays.get(found.get("wavelength", {}).get("array"))
    check_events(found, images, timestamps.tolist() if timestamps.dtype.kind == "U" else timestamps,
                 wavelengths)


@pytest.mark.parametrize("name", sets("simplon"))
def test_images_of_simplon_have_the_shape_of_the_start_message_of_their_run(name):
    files = message_files(name)
    heads = [cbor2.loads(path.read_bytes()[1:]) for path in files]
    if name == "simplon_two_ranks":  # images of the other rank come before the start
        assert [head["type"] for head in heads].index("start") > 0
    truth = expected(name)
    of_message = {int(number): event for event, number in enumerate(truth["message"])}
    document = inspect(*files)
    assert document["sum"]["events"] == len(of_message)
    for path, head, found in zip(files, heads, document["files"], strict=True):
        if head["type"] != "image":
            assert found["kind"] == f"Simplon {head['type']}"
            continue
        assert (found["kind"], found["damage"]) == ("Simplon", [])
        event = of_message[int(path.stem[-4:])]
        check_events(found, truth["images"][event][None], [np.float64(head["timestamp"])],
                     None if "wavelength" not in found else np.array([np.nan]))


def test_control_messages_of_simplon_show_their_fields():
    files = message_files("simplon_f64_panels")
    document = inspect(files[0], files[-1])
    start, stop = (file["controls"][0] for file in document["files"])
    assert (start["type"], start["shape"], start["run_number"]) == ("start", "4x88x96", "7")
    assert stop["type"] == "stop"
    assert [file["kind"] for file in document["files"]] == ["Simplon start", "Simplon stop"]
    assert "start      shape = 4x88x96" in pnflow("inspect", files[0]).stdout


def test_an_image_of_simplon_without_a_start_of_its_run_is_named(tmp_path):
    start, image = message_files("simplon_f64_panels")[:2]
    other = tmp_path / "other.bin"
    head = cbor2.loads(start.read_bytes()[1:])
    other.write_bytes(b"c" + cbor2.dumps({**head, "run_number": "8"}))
    for files in [[image], [other, image], [image, other]]:
        document = inspect(*files, status=1)
        [found] = [file for file in document["files"] if file["file"] == str(image)]
        [damage] = found["damage"]
        assert (damage["array"], damage["reason"]) == ("compressed_data", "no start message")
    assert inspect(image, start)["sum"]["damaged"] == 0


def test_an_image_of_simplon_has_the_latest_start_before_it_else_the_first_behind_it(tmp_path):
    start, image = messages("simplon_f64_panels")[:2]
    head = cbor2.loads(start[1:])

    def restarted(shape):
        return b"c" + cbor2.dumps({**head, "shape": shape})

    contents = [image, start, image, restarted("2x176x96"), image, restarted("1x352x96")]
    [found] = inspect(write_record(tmp_path / "a.tar", contents))["files"]
    assert [(each["shape"], each["events"]) for each in found["images"]] == [
        ([4, 88, 96], 2), ([2, 176, 96], 1)]
    anonymous = cbor2.loads(image[1:])
    del anonymous["run"]
    contents = [b"m" + cbor2.dumps(anonymous), start]
    [found] = inspect(write_record(tmp_path / "b.tar", contents))["files"]
    assert found["images"][0]["shape"] == [4, 88, 96]


# ---------------------------------------------------------------- records

def test_a_record_is_the_sum_of_its_messages(tmp_path):
    name = "hdf5_three_ranks"
    truth = expected(name)
    contents = [path.read_bytes() for path in message_files(name)]
    document = inspect(write_record(tmp_path / "a.tar", contents), "--event", 11)
    [found] = document["files"]
    assert (found["kind"], found["messages"], found["damage"]) == ("record of HDF5", 9, [])
    check_events(found, truth["images"], truth["timestamp_u64"], truth["wavelength"])
    [images] = [array for array in found["arrays"] if array["name"] == "/data/data"]
    assert (images["shape"], images["messages"]) == ([21, 64, 80], 9)
    assert document["event"]["timestamp_packed"] == truth["timestamp_u64"][11]
    assert document["event"]["pixels"]["max"] == truth["images"][11].max()


def test_damage_in_a_record_is_that_of_its_message(tmp_path):
    contents = [path.read_bytes() for path in message_files("hdf5_none_u16_panels")]
    path = write_record(tmp_path / "a.tar", [contents[0], contents[1][:-7], b"nothing known",
                                             contents[2]])
    [found] = inspect(path, status=1)["files"]
    assert (found["messages"], found["events"]) == (4, 3)
    assert [(d["message"], d["reason"]) for d in found["damage"]] == [
        (1, "truncated"), (2, "unknown format")]
    text = pnflow("inspect", path).stdout
    assert "damage     message 1: truncated: " in text
    second = 1536 + -(-len(contents[0]) // 512) * 512  # three blocks in front of each message
    path.write_bytes(path.read_bytes()[:second + 1536 + 100])
    [found] = inspect(path, status=1)["files"]
    assert (found["kind"], found["messages"], found["events"]) == ("record of HDF5", 1, 2)
    assert [(d["message"], d["reason"]) for d in found["damage"]] == [(1, "truncated")]


def test_a_record_that_is_cut_is_a_record_whatever_is_in_it(tmp_path):
    path = write_record(tmp_path / "a.tar.partial", [b"nothing known", bytes(2000)])
    # Three blocks in front of each message; 100 bytes of the second one are there.
    path.write_bytes(path.read_bytes()[:1536 + 512 + 1536 + 100])
    document = inspect(path, status=1)
    [found] = document["files"]
    assert (found["kind"], found["messages"]) == ("record", 1)
    assert [(d["message"], d["reason"]) for d in found["damage"]] == [
        (0, "unknown format"), (1, "truncated")]
    assert (document["sum"]["damaged"], document["sum"]["not_read"]) == (1, 0)


def test_a_record_of_a_simplon_series_has_its_own_start(tmp_path):
    name = "simplon_f64_panels"
    contents = [path.read_bytes() for path in message_files(name)]
    [found] = inspect(write_record(tmp_path / "a.tar", contents))["files"]
    assert found["kind"] == "record of Simplon start, Simplon, Simplon stop"
    assert found["events"] == len(expected(name)["images"])
    assert found["images"][0]["shape"] == [4, 88, 96]
