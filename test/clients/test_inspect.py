"""`pnflow inspect` of HDF5 messages and data files against h5py, and its events and help."""

from __future__ import annotations

import re

import h5py
import hdf5plugin  # noqa: F401 - makes the filters known to h5py
import numpy as np
import pytest

from inspection import HC, check_events, inspect, iso, sets
from support import expected, hdf5_message, message_files, pnflow

# ---------------------------------------------------------------- HDF5

FILTER_WORDS = {1: "gzip", 2: "shuffle", 32008: "bitshuffle", 32013: "ZFP"}


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found = {}
    file.visititems(lambda name, item: found.update({"/" + name: item})
                    if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize("name", sets("hdf5"))
def test_an_hdf5_message_is_what_h5py_says(name):
    files = message_files(name)
    truth = expected(name)
    document = inspect(*files)
    assert document["sum"] == {
        "files": len(files), "events": len(truth["timestamp_u64"]),
        "bytes": sum(path.stat().st_size for path in files), "damaged": 0, "faulty": 0,
        "not_read": 0}
    for path, found in zip(files, document["files"], strict=True):
        assert (found["file"], found["kind"], found["messages"]) == (str(path), "HDF5", 1)
        assert found["bytes"] == path.stat().st_size
        assert found["damage"] == []
        with h5py.File(path) as file:
            arrays = datasets(file)
            assert [array["name"] for array in found["arrays"]] == sorted(arrays)
            for array in found["arrays"]:
                dataset = arrays[array["name"]]
                assert array["shape"] == list(dataset.shape)
                assert array["dtype"] == str(dataset.dtype)
                assert array["raw_bytes"] == dataset.nbytes
                assert array["stored_bytes"] == dataset.id.get_storage_size()
                chunk = "x".join(map(str, dataset.chunks or ()))
                assert (chunk or "contiguous") in array["storage"]
                plist = dataset.id.get_create_plist()
                filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
                words = re.findall("|".join(rf"\b{word}\b" for word in FILTER_WORDS.values()),
                                   array["storage"])
                assert words == [FILTER_WORDS[number] for number in filters]
            names = {key: "/" + str(truth[f"{key}_name"]).strip("/") if f"{key}_name" in truth
                     else None for key in ["image", "timestamp", "wavelength"]}
            images = arrays[names["image"]][:]
            wavelengths = arrays.get(names["wavelength"])
            check_events(found, images, arrays[names["timestamp"]][:],
                         None if wavelengths is None else wavelengths[:])


def test_panels_that_were_merged_and_padded_are_events_of_the_original_shape():
    [found] = inspect(*message_files("hdf5_peaknet_original_shape"))["files"]
    assert found["events"] == 4
    [image] = found["images"]
    assert image["unpadded"] == [2, 85, 93]
    assert image["shape"][0] == 2


def test_what_is_not_finite_is_counted_and_left_out(tmp_path):
    images = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    images[0, 1, 1] = np.nan
    images[1, 2, 3] = np.inf
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5_message(images, timestamp=np.array([0, 7 << 32], np.uint64),
                                  wavelength=[np.nan, np.nan]))
    [found] = inspect(path)["files"]
    assert found["pixels"] == {"min": 0, "max": 22, "finite": 22, "non_finite": 2,
                               "mean": pytest.approx((sum(range(23)) - 5) / 22)}
    assert found["timestamps"]["missing"] == 1
    assert found["timestamps"]["first_packed"] == found["timestamps"]["last_packed"] == 7 << 32
    assert (found["wavelength"]["min"], found["wavelength"]["missing"]) == (None, 2)


def test_arrays_that_are_no_images_are_listed_and_strings_are_no_damage(tmp_path):
    path = tmp_path / "notes.h5"
    with h5py.File(path, "w") as file:
        file["/a/table"] = np.arange(12.0).reshape(3, 4)
        file["/a/number"] = 3
        file["/a/text"] = "hello"
        file["/a/flags"] = np.array([True, False])
        file.attrs["made_by"] = "a test"
        file["/a/table"].attrs["unit"] = "mm"
    [found] = inspect(path)["files"]
    arrays = {array["name"]: array for array in found["arrays"]}
    assert arrays["/a/table"]["shape"] == [3, 4]
    assert arrays["/a/table"]["attributes"] == {"unit": "mm"}
    assert arrays["/a/number"]["shape"] == []
    assert "wrong dtype" in arrays["/a/text"]["unread"]
    assert found["attributes"] == {"made_by": "a test"}
    assert (found["events"], found["images"], found["damage"]) == (0, [], [])
    text = pnflow("inspect", path).stdout
    assert "attribute  made_by = a test" in text and "/a/text  not read" in text


def test_the_text_has_all_of_it_for_people():
    files = message_files("hdf5_gzip_shuffle_u16_panels")
    done = pnflow("inspect", *files)
    assert done.returncode == 0 and not done.stderr
    first = done.stdout.split("\n\n")[0].splitlines()
    assert first[0] == str(files[0])
    assert first[2] == "  kind       HDF5"
    [image] = [line for line in first if line.startswith("  /data/data")]
    assert re.search(r"\b3x4x176x192 +uint16 .* (?:MiB|KiB) .* "
                     r"chunks of 1x4x176x192, shuffle, gzip", image)
    stamps = expected("hdf5_gzip_shuffle_u16_panels")["timestamp_u64"][:3]
    assert f"  time       {iso(min(stamps))} to {iso(max(stamps))} (/data/timestamp)" in first
    assert re.search(r"^2 files, 4 events, [\d.]+ KiB$", done.stdout.splitlines()[-1])


# ---------------------------------------------------------------- one event

def test_an_event_is_counted_through_all_files():
    files = message_files("hdf5_bslz4_i16_odd")
    truth = expected("hdf5_bslz4_i16_odd")
    for event, (image, stamp) in enumerate(zip(truth["images"], truth["timestamp_u64"])):
        found = inspect(*files, "--event", event)["event"]
        assert found["event"] == event
        assert found["file"] == str(files[truth["message"][event]])
        assert found["index"] == np.sum(truth["message"][:event] == truth["message"][event])
        assert (found["timestamp"], found["timestamp_packed"]) == (iso(int(stamp)), stamp)
        assert found["pixels"]["max"] == image.max()
        assert found["photon_energy"] == pytest.approx(HC / truth["wavelength"][event])
        assert "peaks" not in found
    done = pnflow("inspect", *files, "--event", 5)
    assert done.returncode == 2
    assert "there is no event 5" in done.stderr and "there are 5" in done.stderr


def test_help_names_options_and_exit_codes():
    done = pnflow("inspect", "--help")
    assert done.returncode == 0
    for option in ["files", "--json", "--event", "--png", "--columns", "--panel-height", "--scale",
                   "--mask", "--colours"]:
        assert re.search(rf"^ +{option}\b", done.stdout, re.M), option
    footer = done.stdout[done.stdout.index("Exit codes:"):]
    assert set(map(int, re.findall(r"\b\d+\b", footer))) == {0, 1, 2, 130}
    # Every key of the JSON is in the help.
    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                if key not in ("attributes", "controls", "event"):
                    yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    found = set(keys(inspect(*message_files("hdf5_missing_wavelength"))))
    assert len(found) > 20
    assert all(re.search(rf"\b{key}\b", done.stdout) for key in found)
    assert pnflow("inspect").returncode == 2
