"""RUN_master.cxi: one file that opens a run, in h5py's eyes and in those of `pnflow inspect`."""

from __future__ import annotations

import io
import signal
import time

import h5py
import numpy as np
import pytest

from chains import IN_ORDER, SHAPE, chain, recorded, simulated, writer_behind_socket
from cxi import DATA, RESULTS, STAMPS, cxi_files, events_in_files, masters
from inspection import inspect
from peers import Push
from support import Run, expected, finished, hdf5_message, messages, pnflow

C, H, W = SHAPE
MASK = "/entry_1/data_1/mask"


def datasets(path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({"/" + name: item[()]})
                        if isinstance(item, h5py.Dataset) else None)
    return found


def check_master(master, parts):
    """Every dataset is that of the parts, one behind the other."""
    of_parts = [datasets(part) for part in parts]
    found = datasets(master)
    assert found.keys() == set().union(*of_parts)
    for name, values in found.items():
        if name == MASK:
            continue
        at = 0
        for part in of_parts:
            entries = values[at:at + len(part[name])]
            at += len(part[name])
            if values.ndim == 2:  # a column of the peak lists, as wide as the widest
                assert not entries[:, part[name].shape[1]:].any()
                entries = entries[:, :part[name].shape[1]]
            np.testing.assert_array_equal(entries, part[name], err_msg=name)
        assert at == len(values)
    with h5py.File(master) as file, h5py.File(parts[0]) as part:
        assert dict(file.attrs) == dict(part.attrs)
        assert file[DATA].is_virtual


@pytest.fixture(scope="module")
def twenty(tmp_path_factory):
    """A run of 20 files of three events, two in the last; and its report."""
    directory = tmp_path_factory.mktemp("twenty")
    source = {"count": 59, "peaks": [0, 14], "events_per_message": 4, "bad_pixels": 0.01}
    report = finished(directory, simulated(source, cxi={"events_per_file": 3, "save_segmap": True,
                                                        "compression": "none", **IN_ORDER}))
    return directory, report


def test_twenty_files_read_as_one(twenty):
    directory, report = twenty
    parts = cxi_files(directory)
    assert len(parts) == 20
    [master] = masters(directory)
    assert master.name == report["run"] + "_master.cxi"
    check_master(master, parts)
    with h5py.File(master) as file, h5py.File(parts[0]) as part:
        images = file[DATA]
        assert (images.shape, images.dtype) == ((59, C * H, W), "u2")
        assert images.attrs["panels"] == C and images.attrs["normalized"] == 0
        assert [source.file_name for source in images.virtual_sources()] == [
            path.name for path in parts]
        np.testing.assert_array_equal(file[MASK], part[MASK])  # a copy, whatever becomes of parts
        assert not file[MASK].is_virtual
        stamps = file[STAMPS][:]
    assert (np.diff(stamps.astype(np.int64)) > 0).all()
    assert str(master) not in (directory / "out" / f"{report['run']}.lst").read_text().split()
    [found] = inspect(master)["files"]
    assert found["kind"] == "CXI master" and found["damage"] == []
    assert [part["events"] for part in found["parts"]] == [3] * 19 + [2]
    assert "parts      20 of 20 are there, 59 events in all" in pnflow("inspect", master).stdout


def test_a_directory_may_be_moved_as_a_whole(twenty, tmp_path):
    directory, _ = twenty
    moved = tmp_path / "moved" / "out"
    moved.parent.mkdir()
    (directory / "out").rename(moved)
    try:
        check_master(*masters(moved.parent), cxi_files(moved.parent))
        assert inspect(*masters(moved.parent))["files"][0]["damage"] == []
    finally:
        moved.rename(directory / "out")


def test_a_part_that_is_not_what_it_was_is_reported(twenty):
    directory, _ = twenty
    [master], parts = masters(directory), cxi_files(directory)
    before = {path: path.read_bytes() for path in (parts[1], parts[4], parts[7])}
    try:
        parts[1].unlink()
        parts[4].write_bytes(before[parts[7]][:5000])
        parts[7].write_bytes(parts[-1].read_bytes())  # two events, not three
        [found] = inspect(master, status=1)["files"]
        assert [(one["entry"], one["reason"]) for one in found["damage"]] == [
            (3 * i, "missing part") for i in (1, 4, 7)]
        for one, path, text in zip(found["damage"], before, ["no such file", "", "not 3x180x70"]):
            assert path.name in one["detail"] and text in one["detail"]
        assert [i for i, part in enumerate(found["parts"]) if part["fault"]] == [1, 4, 7]
        with h5py.File(master) as file:  # why that is worth a check
            assert not file[DATA][3:6].any() and file[DATA][2].any()
        assert "17 of 20 are there" in pnflow("inspect", master).stdout
    finally:
        for path, data in before.items():
            path.write_bytes(data)


def test_images_of_another_shape_have_a_master_of_their_own(tmp_path):
    panels_u16, panels_f32, small = ("hdf5_bslz4_u16_panels", "hdf5_bslz4_f32_panels",
                                     "hdf5_none_f32")  # the first two have one shape
    with Run(tmp_path, chain(cxi=IN_ORDER)) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(m for name in (panels_u16, small, panels_f32) for m in messages(name))
        report = run.finish()
    files = cxi_files(tmp_path)
    out, run_name = tmp_path / "out", report["run"]
    check_master(out / f"{run_name}_master.cxi", [files[0], files[2]])
    check_master(out / f"{run_name}-2_master.cxi", [files[1]])
    with h5py.File(out / f"{run_name}_master.cxi") as file:
        assert file[DATA].dtype == "f4"  # which holds both
    assert len(masters(tmp_path)) == 2
    assert expected(small)["images"].shape[0] == len(datasets(files[1])[DATA])


def with_mask(message: bytes, mask) -> bytes:
    buffer = io.BytesIO(message)
    if mask.any():
        with h5py.File(buffer, "a") as file:
            file["/mask"] = mask
    return buffer.getvalue()


def test_masks_that_change_stand_beside_each_event(tmp_path):
    images = np.ones((2, 3, 8, 10), np.uint16)
    sent = []
    for bad in (None, 5, 5, 9):
        mask = np.zeros((3, 8, 10), np.uint8)
        if bad is not None:
            mask[0, 0, bad] = 1
        sent.append(mask.reshape(24, 10))
    topology = writer_behind_socket({"events_per_file": 2},
                                    decode={"fields": {"image": "/data/data", "mask": "/mask"}})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        for mask in sent:
            push.send(with_mask(hdf5_message(images), mask))
        push.end()
        run.finish()
    [master] = masters(tmp_path)
    with h5py.File(master) as file:
        np.testing.assert_array_equal(file[MASK], np.repeat(sent, 2, axis=0))


def test_the_master_grows_while_the_run_goes_on_and_survives_its_end(tmp_path):
    source = {"count": 100_000, "rate": "100 Hz"}
    with Run(tmp_path, simulated(source, "source -> cxi",
                                 cxi={"events_per_file": 5, **IN_ORDER})) as run:
        run.wait_for_line(r"_00002\.cxi: 5 events")
        while not masters(tmp_path):  # which follow their files by a moment
            time.sleep(0.01)
        [master] = masters(tmp_path)
        with h5py.File(master) as file:
            grown = len(file[DATA])
        assert grown >= 5
        run.wait_for_line(r"_00012\.cxi: 5 events")
        run.signal(signal.SIGKILL)
        run.wait()
    files = cxi_files(tmp_path)
    assert events_in_files(tmp_path) == 5 * len(files)
    [master] = masters(tmp_path)
    with h5py.File(master) as file:
        assert grown < len(file[DATA]) <= 5 * len(files)
        assert file[DATA][:].any(axis=(1, 2)).all()
        assert len(file[RESULTS + "nPeaks"]) == len(file[DATA])
    assert inspect(master)["files"][0]["damage"] == []
    # What was being written has no other name than that.
    assert {path.suffix for path in (tmp_path / "out").iterdir()} <= {
        ".cxi", ".lst", ".geom", ".json", ".partial"}


def test_a_pattern_of_files_does_not_mean_the_master_too(tmp_path):
    finished(tmp_path, recorded({"count": 7}, events_per_file=3))
    [master] = masters(tmp_path)
    nodes = {"source": {"type": "file_source", "files": [str(tmp_path / "out" / "*.cxi")]}}
    report = finished(tmp_path / "again", chain("source -> decode -> end", **nodes,
                                                end={"type": "null_sink"}))
    assert report["events"]["delivered"] == 7
    assert report["messages"]["unreadable"] == {}
    assert inspect(*cxi_files(tmp_path), master)["sum"]["events"] == 7  # and counts no event twice
