"""`pnflow inspect` of damaged messages, and of files that are missing or no data."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from damage import damaged_chunk
from inspection import inspect
from support import hdf5_message, message_files, pnflow


def test_a_damaged_chunk_costs_its_event_and_is_named(tmp_path):
    source = message_files("hdf5_gzip_shuffle_u16_panels")[0]
    path = tmp_path / "damaged.bin"
    path.write_bytes(damaged_chunk(source.read_bytes(), "/data/data", 1))
    [found] = inspect(path, status=1)["files"]
    [damage] = found["damage"]
    assert (damage["array"], damage["entry"]) == ("/data/data", 1)
    assert damage["reason"] == "damaged chunk"
    assert damage["detail"]
    with h5py.File(source) as file:
        rest = file["/data/data"][[0, 2]]
    assert found["events"] == 3
    assert (found["pixels"]["max"], found["pixels"]["finite"]) == (rest.max(), rest.size)
    text = pnflow("inspect", path)
    assert text.returncode == 1
    assert "damage     /data/data, entry 1: damaged chunk: " in text.stdout


def test_a_damaged_time_stamp_is_damage_of_its_array_only(tmp_path):
    source = message_files("hdf5_gzip_f32_panels")[0]
    with h5py.File(source) as file:
        chunk = file["/data/timestamp"].id.get_chunk_info(0)
        stamps = file["/data/timestamp"][:]
    data = bytearray(source.read_bytes())
    data[chunk.byte_offset:chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path = tmp_path / "damaged.bin"
    path.write_bytes(data)
    [found] = inspect(path, status=1)["files"]
    [damage] = found["damage"]
    assert (damage["array"], damage["entry"]) == ("/data/timestamp", 0)
    assert found["timestamps"]["missing"] == 1
    assert found["timestamps"]["first_packed"] == stamps[1:].min()


@pytest.mark.parametrize("name", ["hdf5_none_f32", "hdf5_bslz4_u16_panels"])
def test_a_truncated_file_is_damage_at_every_length(tmp_path, name):
    whole = message_files(name)[0].read_bytes()
    paths = []
    for i, length in enumerate([8, 47, 48, 96, 500, len(whole) // 2, len(whole) - 1]):
        paths.append(tmp_path / f"{i}.bin")
        paths[-1].write_bytes(whole[:length])
    document = inspect(*paths, status=1)
    assert document["sum"]["damaged"] == len(paths)
    for found in document["files"]:
        assert [damage["reason"] for damage in found["damage"]] == ["truncated"]


def test_many_damaged_events_are_counted_in_the_text_and_listed_in_the_json(tmp_path):
    images = np.random.default_rng(3).integers(0, 9, (50, 20, 20)).astype(np.uint16)
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5_message(images, compression="gzip"))
    with h5py.File(path) as file:
        chunks = [file["/data/data"].id.get_chunk_info(i) for i in range(50)]
    data = bytearray(path.read_bytes())
    for chunk in chunks:
        data[chunk.byte_offset:chunk.byte_offset + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    [found] = inspect(path, status=1)["files"]
    assert [damage["entry"] for damage in found["damage"]] == list(range(50))
    text = pnflow("inspect", path).stdout
    assert text.count("  damage ") == 21 and "and 30 more" in text


# ---------------------------------------------------------------- files that are none

def test_files_that_cannot_be_looked_at_are_named_and_the_others_shown(tmp_path):
    garbage = tmp_path / "garbage.h5"
    garbage.write_bytes(b"\xde\xad\xbe\xef not a file of data")
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    good = message_files("hdf5_none_f32")[0]
    document = inspect(tmp_path / "missing", garbage, good, empty, tmp_path, status=2)
    missing, unknown, shown, nothing, directory = document["files"]
    assert "No such file" in missing["error"]
    assert "unknown format" in unknown["error"] and "de ad be ef" in unknown["error"]
    assert shown["events"] == 4
    assert "unknown format" in nothing["error"] and "0 bytes" in nothing["error"]
    assert "is not a file" in directory["error"]
    assert document["sum"]["not_read"] == 4
    text = pnflow("inspect", garbage, good)
    assert text.returncode == 2
    assert "not read" in text.stdout and "de ad be ef" in text.stdout
    assert text.stdout.splitlines()[-1].endswith("; 1 not read")


def test_damage_is_found_beside_a_file_that_is_missing(tmp_path):
    path = tmp_path / "cut.bin"
    path.write_bytes(message_files("hdf5_none_f32")[0].read_bytes()[:-1])
    assert inspect(path, tmp_path / "missing", status=2)["sum"]["damaged"] == 1
