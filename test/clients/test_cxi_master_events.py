"""A master where a CXI file is expected: its events are those of its parts, for `inspect`,
`compare-stream` and `push`; of a part that is not there they are missing, and never zeros."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from chains import IN_ORDER, SHAPE, chain, simulated
from cxi import DATA, cxi_files, events_of, masters
from inspection import inspect
from message_formats import of_hdf5
from peers import Pull, Push
from streams import Reflection, chunk, head
from support import Process, Run, finished, messages, pnflow
from test_compare_stream import compare

C, H, W = SHAPE


def of_event(document: dict) -> dict:
    """What is known of an event, wherever it stands."""
    return {key: value for key, value in document["event"].items()
            if key not in ("event", "file", "index")}


@pytest.fixture(scope="module")
def run_of_four(tmp_path_factory):
    """A run of four files, three events each and one in the last, of different numbers of peaks, in
    a compression for which HDF5 needs a plugin."""
    directory = tmp_path_factory.mktemp("four")
    source = {"count": 10, "peaks": [0, 14], "bad_pixels": 0.01}
    finished(directory, simulated(source, cxi={"events_per_file": 3, "compression": "bitshuffle_lz4",
                                               **IN_ORDER}))
    [master] = masters(directory)
    return master, cxi_files(directory)


@pytest.fixture
def copied(run_of_four, tmp_path):
    """Of these files one's own."""
    out = shutil.copytree(run_of_four[0].parent, tmp_path / "out")
    return out / run_of_four[0].name, cxi_files(tmp_path)


# ---------------------------------------------------------------- inspect

def test_a_master_has_the_events_of_its_parts(run_of_four):
    master, parts = run_of_four
    [found] = inspect(master)["files"]
    events = events_of(*parts)
    images = np.stack([event.image for event in events])
    counts = [len(event.x) for event in events]
    assert (found["kind"], found["events"], found["damage"]) == ("CXI master", 10, [])
    assert found["images"] == [{"array": DATA, "shape": [C * H, W], "dtype": "uint16", "events": 10,
                                "unpadded": None}]
    assert (found["pixels"]["min"], found["pixels"]["max"]) == (images.min(), images.max())
    assert found["pixels"]["mean"] == pytest.approx(images.mean())
    assert found["timestamps"]["first_packed"] == events[0].stamp
    assert found["timestamps"]["last_packed"] == events[-1].stamp
    cxi = found["cxi"]
    assert cxi["peaks"] == {"min": min(counts), "median": np.median(counts), "max": max(counts),
                            "total": sum(counts)}
    assert (cxi["panels"], cxi["normalized"]) == (C, False)
    assert cxi["mask"]["bad"] > 0
    assert cxi["crystfel"]["faults"] == []
    assert any("plugin" in text for text in cxi["crystfel"]["warnings"])  # of its parts' filters


def test_an_event_of_a_master_is_the_one_of_its_part(run_of_four, tmp_path):
    master, parts = run_of_four
    for number in range(10):
        part = parts[number // 3]
        of_master, of_part = ["--event", number], ["--event", number % 3]
        if number in (4, 9):
            of_master += ["--png", tmp_path / "master.png"]
            of_part += ["--png", tmp_path / "part.png"]
        found, wanted = inspect(master, *of_master), inspect(part, *of_part)
        assert (found["event"]["file"], found["event"]["index"]) == (str(master), number)
        assert of_event(found) == of_event(wanted)
        if number in (4, 9):
            assert found["picture"]["peaks"] == wanted["picture"]["peaks"]
            assert (tmp_path / "master.png").read_bytes() == (tmp_path / "part.png").read_bytes()
    assert pnflow("inspect", master, "--event", 10).returncode == 2


def test_events_are_counted_once_where_the_parts_are_among_the_files(run_of_four):
    master, parts = run_of_four
    document = inspect(*parts[:2], master, *parts[2:], "--event", 6)
    assert document["sum"]["events"] == 10
    assert document["event"]["file"] == str(parts[2])
    said = pnflow("inspect", *parts, master).stdout
    assert "4 of 4 are there, 10 events in all; they are among the files and counted there" in said
    assert inspect(*parts[:2], master)["sum"]["events"] == 6 + 10  # the others are nowhere else


def test_events_of_a_missing_part_are_missing_and_not_zeros(copied, tmp_path):
    master, parts = copied
    whole = events_of(*parts)
    parts[1].unlink()
    png = tmp_path / "event.png"
    for number in range(10):
        done = pnflow("inspect", master, "--event", number, "--png", png)
        lost = number // 3 == 1
        assert done.returncode == 1  # a part is missing, whichever event is asked for
        assert (f"{parts[1].name}: there is no such file" in done.stderr) == lost
        assert png.exists() != lost
        png.unlink(missing_ok=True)
        if lost:
            assert "peaks " not in done.stdout.split(f"event {number}:")[1]
        else:
            assert f"peaks      {len(whole[number].x)}\n" in done.stdout
    [found] = inspect(master, status=1)["files"]
    [damage] = found["damage"]
    assert (damage["entry"], damage["reason"]) == (3, "missing part")
    assert found["events"] == 10
    assert found["timestamps"]["missing"] == 3
    there = np.stack([event.image for event in whole[:3] + whole[6:]])
    assert found["pixels"]["finite"] == there.size
    assert found["pixels"]["mean"] == pytest.approx(there.mean())
    event = inspect(master, "--event", 4, status=1)["event"]
    assert event["fault"] == f"{parts[1].name}: there is no such file"
    assert event["shape"] is None and event["timestamp"] is None


def test_parts_of_different_types_are_read_in_the_masters(tmp_path):
    sets = ["hdf5_bslz4_u16_panels", "hdf5_bslz4_f32_panels"]
    with Run(tmp_path, chain(cxi=IN_ORDER)) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(message for name in sets for message in messages(name))
        run.finish()
    [master], parts = masters(tmp_path), cxi_files(tmp_path)
    with h5py.File(parts[0]) as first, h5py.File(parts[1]) as second:
        assert (first[DATA].dtype, second[DATA].dtype) == ("u2", "f4")
        events = len(first[DATA])
    for part, before in [(parts[0], 0), (parts[1], events)]:
        assert of_event(inspect(master, "--event", before)) == of_event(inspect(part, "--event", 0))


def test_virtual_datasets_of_other_programs(tmp_path):
    """Whole datasets one behind the other are read, gaps as the fill value; others are not."""
    for number in range(2):
        with h5py.File(tmp_path / f"100%{number}.h5", "w") as file:
            file["a/b"] = np.arange(24).reshape(2, 3, 4).astype("u2") + 100 * number
    layout = h5py.VirtualLayout((6, 3, 5), "f8")
    layout[0:2, :, :4] = h5py.VirtualSource(tmp_path / "100%%0.h5", "a/b", (2, 3, 4))
    layout[4:6, :, :4] = h5py.VirtualSource("100%%1.h5", "a/b", (2, 3, 4))
    parted = h5py.VirtualLayout((1, 3, 4), "u2")
    parted[:] = h5py.VirtualSource("100%%1.h5", "a/b", (2, 3, 4))[1:]
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_virtual_dataset("/data/data", layout, fillvalue=-7)
        file.create_virtual_dataset("/parted", parted)
        wanted = file["/data/data"][:]
        assert wanted[0, 0, 3] == 3 and wanted[5, 2, 3] == 123 and (wanted[2:4] == -7).all()
    [found] = inspect(tmp_path / "all.h5")["files"]
    assert found["events"] == 6 and found["damage"] == []
    assert found["pixels"]["mean"] == pytest.approx(wanted.mean())
    assert "not whole datasets" in next(array["unread"] for array in found["arrays"]
                                        if array["name"] == "/parted")
    for number, image in enumerate(wanted):
        pixels = inspect(tmp_path / "all.h5", "--event", number)["event"]["pixels"]
        assert (pixels["min"], pixels["max"]) == (image.min(), image.max())
    (tmp_path / "100%1.h5").unlink()
    [found] = inspect(tmp_path / "all.h5", status=1)["files"]
    assert [(one["entry"], one["reason"]) for one in found["damage"]] == [
        (4, "missing part"), (5, "missing part")]


def test_a_message_names_no_files_of_this_machine(run_of_four, tmp_path):
    """Only what was opened as a file may; a graph gets bytes."""
    nodes = {"source": {"type": "file_source", "files": [str(run_of_four[0])]}}
    report = finished(tmp_path, chain("source -> decode -> end", **nodes,
                                      end={"type": "null_sink"}))
    assert report["messages"]["unreadable"] == {"unsupported layout": 1}


# ---------------------------------------------------------------- compare-stream

def stream_of(path, files, events_of_file):
    """Every peak of each event has a reflection on it; `files` are how the chunks name them."""
    chunks = []
    for file, events in zip(files, events_of_file):
        for number, event in events:
            found = [Reflection(x + 0.5, y + 0.5, f"p{panel}")
                     for x, y, panel in zip(event.x, event.y, event.panel)]
            chunks.append(chunk(file, number, [found]))
    path.write_text(head(H, W, C) + "".join(chunks))
    return path


def numbered(parts):
    return [list(enumerate(events_of(part))) for part in parts]


def test_a_stream_may_name_the_master_or_its_parts(run_of_four, tmp_path):
    master, parts = run_of_four
    whole = list(enumerate(events_of(*parts)))
    by_parts = stream_of(tmp_path / "parts.stream", parts, numbered(parts))
    by_master = stream_of(tmp_path / "master.stream", [master], [whole])
    elsewhere = stream_of(tmp_path / "elsewhere.stream", [f"/elsewhere/{p.name}" for p in parts],
                          numbered(parts))
    for given in (parts, [master], [*parts, master], [master, *parts]):
        for stream in (by_parts, by_master, elsewhere):
            if given == parts and stream == by_master:
                done = pnflow("compare-stream", *given, stream)
                assert done.returncode == 2 and "give that beside its parts" in done.stderr
                assert "some are of a master" in done.stdout
                continue
            found = compare(*given, stream)
            assert found["events"] == {"all": 10, "with_chunk": 10, "without_chunk": 0}
            assert (found["chunks"]["elsewhere"], found["chunks"]["repeated"]) == (0, 0)
            counts = found["all"]
            assert counts["peaks"] == counts["reflections"] == counts["found"] == sum(
                len(event.x) for _, event in whole)
            assert counts["offset"]["rms_x"] == pytest.approx(0, abs=0.06)  # of one decimal
    # An event goes by the name of the file that was given.
    each = compare(master, by_parts, "--events")["each"]
    assert [(one["file"], one["index"]) for one in each] == [(str(master), i) for i in range(10)]
    each = compare(*parts, master, by_master, "--events")["each"]
    assert [(one["file"], one["index"]) for one in each] == [
        (str(part), number) for part, events in zip(parts, numbered(parts)) for number, _ in events]


def test_a_picture_of_an_event_of_a_master(run_of_four, tmp_path):
    master, parts = run_of_four
    stream = stream_of(tmp_path / "a.stream", parts, numbered(parts))
    for given, png in [(parts, "parts.png"), ([master], "master.png")]:
        found = compare(*given, stream, "--png", tmp_path / png, "--event", 7)
        assert found["picture"]["peaks"] == len(events_of(parts[2])[1].x)
    assert (tmp_path / "parts.png").read_bytes() == (tmp_path / "master.png").read_bytes()


def test_chunks_of_a_missing_part_are_told_and_not_compared(copied, tmp_path):
    master, parts = copied
    stream = stream_of(tmp_path / "a.stream", parts, numbered(parts))
    others = sum(len(event.x) for event in events_of(*parts[:2], parts[3]))
    parts[2].unlink()
    found = compare(master, stream, status=1)
    assert (found["chunks"]["unreadable"], found["chunks"]["elsewhere"]) == (3, 0)
    assert found["chunks"]["first_unreadable"] == f"{parts[2].name}: there is no such file"
    assert (found["all"]["events"], found["all"]["peaks"]) == (7, others)
    assert found["all"]["recall"] == 1
    done = pnflow("compare-stream", master, stream, "--png", tmp_path / "a.png", "--event", 6)
    assert done.returncode == 1 and "there is no such file" in done.stderr
    assert "3 of an event that cannot be read" in done.stdout


# ---------------------------------------------------------------- push

def test_the_events_of_a_master_are_sent_once(run_of_four):
    master, parts = run_of_four
    images = np.stack([event.image for event in events_of(*parts)])
    for given in ([master], [*parts, master]):
        with Pull() as pull, Process("push", "--connect", pull.endpoint, "--format", "hdf5",
                                     "--files", *given) as push:
            taken = [of_hdf5(message) for message in pull.take()]
            assert push.wait() == 0, push.output
        sent = np.concatenate([message["data"] for message in taken])
        np.testing.assert_array_equal(sent.reshape(images.shape), images)


def test_a_master_without_a_part_is_not_sent(copied):
    master, parts = copied
    parts[3].unlink()
    done = pnflow("push", "--connect", "tcp://127.0.0.1:1", "--format", "hdf5", "--files", master)
    assert done.returncode != 0
    assert f"lacks the 1 events of {parts[3].name}: there is no such file" in done.stderr
