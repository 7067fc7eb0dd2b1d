"""`pnflow inspect` of npz, NPAY and Simplon, against numpy, the bytes themselves and cbor2, and of
records that Python wrote."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile

import cbor2
import numpy as np
import pytest

from inspection import check_events, inspect, sets
from support import expected, message_files, pnflow


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


def read_npay(path) -> dict[str, np.ndarray]:
    """The layout is in test/data/README.md."""
    file = io.BytesIO(path.read_bytes())

    def take(code):
        return struct.unpack("<" + code, file.read(struct.calcsize("<" + code)))[0]

    assert file.read(4) == b"YAPN" and take("I") == 1
    arrays = {}
    for _ in range(take("I")):
        name = file.read(take("I")).decode()
        dtype = np.dtype(file.read(take("I")).decode())
        shape = [take("q") for _ in range(take("I"))]
        assert take("B") == 0
        raw, stored = take("Q"), take("Q")
        assert raw == stored
        arrays[name] = np.frombuffer(file.read(stored), dtype).reshape(shape)
    return arrays


@pytest.mark.parametrize("name", sets("npay"))
def test_a_message_of_npay_is_what_its_bytes_say(name):
    files = message_files(name)
    for path, found in zip(files, inspect(*files)["files"], strict=True):
        assert (found["kind"], found["damage"]) == ("NPAY", [])
        arrays = read_npay(path)
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
def test_images_of_simplon_have_the_shape_of_the_start_message_before_them(name):
    files = message_files(name)
    heads = [cbor2.loads(path.read_bytes()[1:]) for path in files]
    # Images of other ranks may come before the start.
    files.sort(key=lambda path: heads[int(path.stem[-4:])]["type"] != "start")
    heads.sort(key=lambda head: head["type"] != "start")
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
    for files in [[image], [other, image], [image, start]]:
        document = inspect(*files, status=1)
        [found] = [file for file in document["files"] if file["file"] == str(image)]
        [damage] = found["damage"]
        assert (damage["array"], damage["reason"]) == ("compressed_data", "no start message")


# ---------------------------------------------------------------- records

def write_record(path, contents):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for number, content in enumerate(contents):
            member = tarfile.TarInfo(f"message_{number:010}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


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
    whole = path.read_bytes()
    path.write_bytes(whole[:len(contents[0]) + 1500])
    [found] = inspect(path, status=1)["files"]
    assert (found["events"], found["damage"][-1]["reason"]) == (2, "truncated")


def test_a_record_of_a_simplon_series_has_its_own_start(tmp_path):
    name = "simplon_f64_panels"
    contents = [path.read_bytes() for path in message_files(name)]
    [found] = inspect(write_record(tmp_path / "a.tar", contents))["files"]
    assert found["kind"] == "record of Simplon start, Simplon, Simplon stop"
    assert found["events"] == len(expected(name)["images"])
    assert found["images"][0]["shape"] == [4, 88, 96]
