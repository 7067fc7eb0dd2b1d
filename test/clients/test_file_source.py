"""Files in place of a socket: data files, captured messages and records, judged by h5py and numpy."""

from __future__ import annotations

import time

import h5py
import numpy as np
import pytest

from chains import IN_ORDER, chain
from cxi import by_time, cxi_files, events_of
from peers import Push
from support import DATA, Process, Run, expected, finished, messages, node, pnflow, write_graph
from test_captured import DECODE, SETS, check

STRAIGHT = "source -> decode -> cxi"
WAVELENGTH = 1.3051


def files(*patterns, edges=STRAIGHT, **settings) -> dict:
    """A graph that reads these files; settings of the source, decode and cxi."""
    nodes = {name: settings.pop(name, {}) for name in ("decode", "cxi")}
    source = {"type": "file_source", "files": [str(p) for p in patterns], **settings}
    cxi = {"events_per_file": 1000, **IN_ORDER, **nodes["cxi"]}
    return chain(edges, source=source, decode=nodes["decode"], cxi=cxi)


def data_file(path, events, first=0, shape=(3, 12, 15), step=1_000_000, **more):
    """An HDF5 file as people keep them: all events in one data set, step in nanoseconds."""
    rng = np.random.default_rng(first)
    images = rng.integers(0, 60000, (events, *shape), dtype="u2")
    stamps = [(1_700_000_000 + n * step // 10**9 << 32) | n * step % 10**9
              for n in range(first, first + events)]
    with h5py.File(path, "w") as file:
        file.create_dataset("/data/data", data=images, chunks=(1, *shape), compression="gzip",
                            shuffle=True)
        file["/data/timestamp"] = np.array(stamps, "u8")
        file["/data/wavelength"] = np.full(events, WAVELENGTH)
        for name, values in more.items():
            file[name.replace("_", "/")] = values
    return images, stamps


def written(directory):
    return events_of(*cxi_files(directory))


@pytest.mark.parametrize("per_message", [1, 8, 37, 100])
def test_a_data_file_is_read_in_parts_that_add_up_to_it(tmp_path, per_message):
    images, stamps = data_file(tmp_path / "run.h5", 37)
    report = finished(tmp_path, files(tmp_path / "run.h5", events_per_message=per_message,
                                      decode={"workers": 3}))
    assert report["messages"]["decoded"] == -(-37 // per_message)
    events = written(tmp_path)
    assert [event.stamp for event in events] == stamps
    for event, image in zip(events, images):
        np.testing.assert_array_equal(event.image, image.reshape(-1, image.shape[-1]))
        assert event.energy == pytest.approx(12398.4193 / WAVELENGTH)


@pytest.mark.parametrize("first,count,loop", [(0, 0, 3), (5, 0, 1), (0, 7, 1), (9, 5, 2), (3, 1, 1),
                                              (19, 5, 1), (20, 0, 1), (0, 100, 1)])
def test_a_range_of_events_goes_over_the_borders_of_files_and_passes(tmp_path, first, count, loop):
    _, a = data_file(tmp_path / "a.h5", 11)
    _, b = data_file(tmp_path / "b.h5", 9, first=11)
    report = finished(tmp_path, files(tmp_path / "?.h5", first=first, count=count, loop=loop,
                                      events_per_message=4))
    chosen = (a + b)[first:first + count if count else None] * loop
    assert report["events"]["delivered"] == len(chosen)
    assert [event.stamp for event in written(tmp_path)] == chosen


@pytest.mark.parametrize("name", SETS)
def test_captured_messages_are_read_from_their_files(tmp_path, name):
    topology = chain("source -> decode -> q1 -> infer -> q2 -> peaks -> cxi",
                     decode=DECODE.get(name, {}),
                     source={"type": "file_source",
                             "files": [str(DATA / "lclstreamer" / name / "msg_*.bin")]})
    check(tmp_path, finished(tmp_path, topology), name)


def test_numpy_archives_with_many_events_are_read_in_parts(tmp_path):
    images = np.arange(10 * 6 * 7, dtype="f4").reshape(10, 6, 7)
    stamps = np.arange(1, 11, dtype="u8") << 32
    np.savez(tmp_path / "stored.npz", detector_data=images, timestamp=stamps)
    np.savez_compressed(tmp_path / "deflated.npz", detector_data=images, timestamp=stamps)
    for name in ("stored", "deflated"):
        (tmp_path / name).mkdir()
        report = finished(tmp_path / name, files(tmp_path / f"{name}.npz", events_per_message=3))
        assert report["messages"]["decoded"] == 4
        np.testing.assert_array_equal([event.image for event in written(tmp_path / name)], images)


def test_a_cxi_file_comes_back_as_it_was(tmp_path):
    images, stamps = data_file(tmp_path / "run.h5", 9)
    finished(tmp_path, files(tmp_path / "run.h5"))
    (tmp_path / "again").mkdir()
    finished(tmp_path / "again", files(tmp_path / "out" / "*.cxi"))
    before, after = written(tmp_path), written(tmp_path / "again")
    assert len(after) == 9
    for one, other in zip(before, after):
        assert (one.stamp, one.energy) == (other.stamp, other.energy)
        np.testing.assert_array_equal(one.image, other.image)


def test_the_mask_of_a_file_reaches_the_cxi_file_where_asked(tmp_path):
    mask = np.zeros((3, 12, 15), "u1")
    mask[1, 2, 3] = 7
    data_file(tmp_path / "run.h5", 4, mask=mask)
    finished(tmp_path, files(tmp_path / "run.h5", decode={"fields": {"mask": "/mask"}}))
    with h5py.File(cxi_files(tmp_path)[0]) as file:
        np.testing.assert_array_equal(file["/entry_1/data_1/mask"][:] != 0,
                                      mask.reshape(-1, 15) != 0)


def test_a_damaged_chunk_costs_its_event_and_is_named_by_file_and_event(tmp_path):
    _, stamps = data_file(tmp_path / "run.h5", 9)
    with h5py.File(tmp_path / "run.h5") as file:
        chunk = file["/data/data"].id.get_chunk_info(5)
    body = bytearray((tmp_path / "run.h5").read_bytes())
    body[chunk.byte_offset + chunk.size // 2] ^= 0xFF
    (tmp_path / "run.h5").write_bytes(body)
    with Run(tmp_path, files(tmp_path / "run.h5", events_per_message=2)) as run:
        report = run.finish()
    assert report["events"]["failed"] == {"damaged chunk": 1}
    assert [e.stamp for e in written(tmp_path)] == stamps[:5] + stamps[6:]
    assert "run.h5 //5: " in run.output


def test_the_recorded_pace_is_that_of_the_time_stamps(tmp_path):
    data_file(tmp_path / "run.h5", 9, step=100_000_000)  # 10 Hz
    start = time.monotonic()
    report = finished(tmp_path, files(tmp_path / "run.h5", events_per_message=2, pace="recorded"))
    assert time.monotonic() - start >= 0.8
    assert report["events"]["delivered"] == 9
    start = time.monotonic()
    report = finished(tmp_path, files(tmp_path / "run.h5", events_per_message=1, rate="20 Hz"))
    assert time.monotonic() - start >= 0.4


def test_a_loop_in_which_nothing_is_sent_ends(tmp_path):
    data_file(tmp_path / "run.h5", 5)
    report = finished(tmp_path, files(tmp_path / "run.h5", first=100, loop=0))
    assert report["messages"]["received"] == 0


def test_merged_panels_are_counted_as_the_events_that_they_are(tmp_path):
    images = np.arange(12 * 5 * 6, dtype="u2").reshape(12, 1, 5, 6)
    np.savez(tmp_path / "run.npz", detector_data=images,
             timestamp=np.arange(1, 4, dtype="u8") << 32)
    report = finished(tmp_path, files(tmp_path / "run.npz", shape=[4, 5, 6], events_per_message=2,
                                      decode={"shape": [4, 5, 6]}))
    assert report["messages"]["decoded"] == 2
    np.testing.assert_array_equal([event.image for event in written(tmp_path)],
                                  images.reshape(3, 20, 6))


def test_a_file_whose_events_cannot_be_counted_goes_as_one_message_and_that_is_said(tmp_path):
    images, _ = data_file(tmp_path / "run.h5", 5)
    with h5py.File(tmp_path / "run.h5", "a") as file:
        file.move("/data/data", "/elsewhere/images")
    settings = {"events_per_message": 2, "decode": {"fields": {"image": "/elsewhere/images"}}}
    with Run(tmp_path, files(tmp_path / "run.h5", **settings)) as run:
        report = run.finish()
    assert report["messages"]["decoded"] == 1 and report["events"]["delivered"] == 5
    assert "run.h5 goes as one message" in run.output
    (tmp_path / "named").mkdir()
    report = finished(tmp_path / "named", files(tmp_path / "run.h5", image="/elsewhere/images",
                                                **settings))
    assert report["messages"]["decoded"] == 3


def test_an_unknown_energy_of_a_cxi_file_stays_unknown(tmp_path):
    data_file(tmp_path / "run.h5", 3)
    with h5py.File(tmp_path / "run.h5", "a") as file:
        del file["/data/wavelength"]
    finished(tmp_path, files(tmp_path / "run.h5"))
    assert [event.energy for event in written(tmp_path)] == [0, 0, 0]
    (tmp_path / "again").mkdir()
    report = finished(tmp_path / "again", files(tmp_path / "out" / "*.cxi"))
    assert node(report, "decode")["counters"]["missing_photon_energy"] == 3


def test_files_that_are_not_there_end_the_run_before_it_begins(tmp_path):
    graph = write_graph(tmp_path, files(tmp_path / "never-*.h5"))
    result = pnflow("run", graph, "--quiet", cwd=tmp_path)
    assert result.returncode == 1
    assert "never-*.h5" in result.stderr


def test_a_file_of_no_known_format_is_a_counted_loss_among_others(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no format at all")
    (tmp_path / "b.h5").write_bytes(b"")
    _, stamps = data_file(tmp_path / "c.h5", 3)
    report = finished(tmp_path, files(tmp_path / "?.h5"))
    assert report["messages"]["unreadable"] == {"unknown format": 1, "empty file": 1}
    assert [event.stamp for event in written(tmp_path)] == stamps


# ---------------------------------------------------------------- records

def recorded_run(tmp_path, stream):
    """A live run of the whole chain with a recorder beside it; its CXI events by time."""
    live = tmp_path / "live"
    live.mkdir()
    topology = chain(["socket -> decode -> q1 -> infer -> q2 -> peaks -> cxi", "socket -> record"],
                     record={"type": "record", "directory": "records"})
    with Run(live, topology) as run:
        run.wait_running()
        with Push(connect=run.endpoint()) as producer:
            producer.send_all(stream)
        report = run.finish()
    assert report["events"]["delivered"] > 0
    return by_time(written(live)), live / "records"


def assert_same(found, wanted):
    assert sorted(found) == sorted(wanted)
    for stamp, event in found.items():
        other = wanted[stamp]
        assert event.energy == other.energy
        for one, two in zip(event[2:-1], other[2:-1]):
            np.testing.assert_array_equal(one, two)


@pytest.mark.sanitizer
@pytest.mark.parametrize("name", ["hdf5_three_ranks", "npz_deflate_batch_f32", "npay_none_u16",
                                  "simplon_two_ranks"])
def test_a_record_of_a_live_run_gives_the_same_files_again_read_and_pushed(tmp_path, name):
    wanted, records = recorded_run(tmp_path, messages(name))
    assert len(wanted) == len(expected(name)["timestamp_u64"])
    read = tmp_path / "read"
    read.mkdir()
    finished(read, chain("source -> decode -> q1 -> infer -> q2 -> peaks -> cxi", source={
        "type": "file_source", "files": [str(records / "*.tar")]}))
    assert_same(by_time(written(read)), wanted)
    pushed = tmp_path / "pushed"
    pushed.mkdir()
    with Run(pushed, chain()) as run:
        endpoint = run.wait_running().endpoint()
        with Process("push", "--connect", endpoint, "--files", records / "*.tar") as push:
            assert push.wait() == 0
        run.finish()
    assert_same(by_time(written(pushed)), wanted)


def test_messages_that_cannot_be_decoded_are_recorded_all_the_same(tmp_path):
    stream = [messages("hdf5_three_ranks")[0], b"no format", messages("npay_none_u16")[1]]
    _, records = recorded_run(tmp_path, stream)
    report = finished(tmp_path, files(records / "*.tar"))
    assert report["messages"]["unreadable"] == {"unknown format": 1}
    assert report["messages"]["decoded"] == 2


def test_a_record_cut_off_is_read_up_to_the_cut_and_says_so(tmp_path):
    _, records = recorded_run(tmp_path, messages("hdf5_three_ranks"))
    whole = next(records.glob("*.tar"))
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:-12_000])
    report = finished(tmp_path, files(tmp_path / "cut.tar"))
    assert report["messages"]["unreadable"] == {"truncated": 1}
    assert 0 < report["messages"]["decoded"] < len(messages("hdf5_three_ranks"))


def test_a_part_of_a_file_is_not_recorded_as_a_message(tmp_path):
    data_file(tmp_path / "run.h5", 5)
    edges = ["source -> decode -> cxi", "source -> record"]
    topology = files(tmp_path / "run.h5", edges=edges, events_per_message=2)
    topology["nodes"]["record"] = {"type": "record", "directory": "records"}
    with Run(tmp_path, topology) as run:
        report = run.finish(status=1)
    assert report["events"]["delivered"] == report["events"]["decoded"]
    assert "a part of a file is no message that could be recorded" in run.output
    assert not list((tmp_path / "records").glob("*.tar*"))


def test_the_rate_is_that_of_the_events_of_recorded_messages(tmp_path):
    _, records = recorded_run(tmp_path, messages("hdf5_three_ranks"))  # 21 events
    start = time.monotonic()
    finished(tmp_path, files(records / "*.tar", rate="20 Hz"))
    assert time.monotonic() - start >= 0.9


def test_part_of_a_record_is_cut_out_of_its_messages(tmp_path):
    stream = messages("hdf5_bslz4_i16_odd")  # 3 and 2 events
    wanted, records = recorded_run(tmp_path, stream)
    report = finished(tmp_path, files(records / "*.tar", first=2, count=2))
    assert report["messages"]["decoded"] == 2
    assert [event.stamp for event in written(tmp_path)] == sorted(wanted)[2:4]
