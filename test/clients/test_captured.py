"""Messages captured from LCLStreamer through the whole chain, socket to CXI: every event arrives
once, with its pixels and its time."""

from __future__ import annotations

import concurrent.futures
import io

import cbor2
import h5py
import numpy as np
import pytest

from chains import chain
from cxi import by_time, cxi_files, events_of
from peers import Push
from support import DATA, Run, expected, messages

pytestmark = pytest.mark.sanitizer

SETS = sorted(path.parent.name for path in (DATA / "lclstreamer").glob("*/msg_0000.bin"))
DECODE = {
    "hdf5_peaknet_center_f32": {"padding": "center", "shape": [85, 93]},
    "hdf5_peaknet_original_shape": {"padding": "center"},
    "npz_deflate_merged_u16": {"padding": "bottom-right"},
    "npz_normalized_f32": {"padding": "center", "normalized": True},
    "npz_stored_center_f32": {"padding": "center"},
    "npz_timestamp_f64_packed": {"padding": "center"},
    "npz_timestamp_string": {"padding": "center"},
}


def images_of(name, truth):
    """The pixels that have to arrive."""
    if not truth.get("normalized", False):
        return truth.get("images_decoded", truth["images"])
    # The raw counts are gone: what the message holds is all that there is, without its padding.
    top, left = truth["pad_top_left_height_width"][:2]
    height, width = truth["images"].shape[-2:]
    sent = np.concatenate([np.load(io.BytesIO(message))["detector_data"]
                           for message in messages(name)])
    return sent[:, 0, top:top + height, left:left + width]


def nanoseconds(packed):
    return (packed >> 32) * 1_000_000_000 + (packed & 0xFFFFFFFF)


def check(directory, report, name):
    truth = expected(name)
    images = images_of(name, truth)
    stamps = [int(stamp) for stamp in truth["timestamp_u64"]]
    assert report["events"]["delivered"] == report["events"]["decoded"] == len(stamps)
    events = by_time(events_of(*cxi_files(directory)))
    if truth["timestamp_form"] == "f64_seconds":  # a float64 of seconds is good to 0.24 us
        assert len(events) == len(stamps)
        for found, stamp in zip(sorted(events), sorted(stamps)):
            assert abs(nanoseconds(found) - nanoseconds(stamp)) <= 1000
            events[stamp] = events.pop(found)
    assert sorted(events) == sorted(stamps)
    wavelengths = truth.get("wavelength", np.full(len(stamps), np.nan))
    for image, stamp, wavelength in zip(images, stamps, wavelengths):
        event = events[stamp]
        assert event.image.dtype == images.dtype
        # Panels stand one below the other in the file.
        np.testing.assert_array_equal(event.image, image.reshape(-1, image.shape[-1]))
        energy = 0 if np.isnan(wavelength) else 12398.4193 / wavelength
        assert event.energy == pytest.approx(energy)


@pytest.mark.parametrize("name", SETS)
def test_a_captured_set_arrives_complete_when_pnflow_binds(tmp_path, name):
    with Run(tmp_path, chain(decode=DECODE.get(name, {}))) as run:
        run.wait_running()
        with Push(connect=run.endpoint()) as producer:
            producer.send_all(messages(name))
        check(tmp_path, run.finish(), name)


@pytest.mark.parametrize("name", SETS)
def test_a_captured_set_arrives_complete_when_pnflow_connects(tmp_path, name):
    with Push(bind="tcp://127.0.0.1:*") as producer:
        socket = {"type": "zmq_source", "connect": producer.endpoints}
        with Run(tmp_path, chain(socket=socket, decode=DECODE.get(name, {}))) as run:
            producer.send_all(messages(name))
            check(tmp_path, run.finish(), name)


@pytest.mark.parametrize("order", ["start first", "start late", "images after the stop"])
def test_ranks_of_a_simplon_series_may_send_before_its_start_and_after_its_stop(tmp_path, order):
    name = "simplon_two_ranks"
    stream = messages(name)
    kind = {number: cbor2.loads(message[1:])["type"] for number, message in enumerate(stream)}
    start = [stream[n] for n in kind if kind[n] == "start"]
    stop = [stream[n] for n in kind if kind[n] == "stop"]
    images = [stream[n] for n in kind if kind[n] == "image"]
    streams = {
        "start first": start + images + stop,
        "start late": images[:7] + start + images[7:] + stop,
        "images after the stop": images[:3] + start + images[3:5] + stop + images[5:],
    }
    with Run(tmp_path, chain(socket={"after_stop": "1 s"})) as run:
        run.wait_running()
        with Push(connect=run.endpoint()) as producer:
            producer.send_all(streams[order], end=False)
        report = run.finish()
    assert report["messages"]["control"] == 2
    check(tmp_path, report, name)
    assert "no message for 1 s after a series' stop message, ending" in run.output


def test_simplon_images_without_a_start_message_fail_by_that_reason_unless_shape_is_given(tmp_path):
    name = "simplon_f64_odd"
    images = [m for m in messages(name) if cbor2.loads(m[1:])["type"] == "image"]
    for directory, decode in (("none", {}), ("shape", {"shape": [85, 93]})):
        (tmp_path / directory).mkdir()
        with Run(tmp_path / directory, chain(decode=decode, socket={"park": 2})) as run:
            run.wait_running()
            with Push(connect=run.endpoint()) as producer:
                producer.send_all(images)
            report = run.finish()
        if decode:
            check(tmp_path / directory, report, name)
        else:
            assert report["messages"]["unreadable"] == {"no start message": len(images)}


@pytest.mark.parametrize("binds", [True, False], ids=["pnflow binds", "pnflow connects"])
def test_three_producers_at_once_are_merged_without_loss(tmp_path, binds):
    name = "hdf5_three_ranks"
    truth = expected(name)
    rank_of = {int(m): int(r) for m, r in zip(truth["message"], truth["rank"])}
    shares: dict[int, list[bytes]] = {}
    for number, message in enumerate(messages(name)):
        shares.setdefault(rank_of[number], []).append(message)
    assert len(shares) == 3

    def send(producer, share):
        with producer:
            producer.send_all(share)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        if binds:
            socket = {"producers": 3}
            with Run(tmp_path, chain(socket=socket)) as run:
                run.wait_running()
                sent = [pool.submit(send, Push(connect=run.endpoint()), share)
                        for share in shares.values()]
                report = run.finish()
        else:
            producers = [Push(bind="tcp://127.0.0.1:*") for _ in shares]
            endpoints = [endpoint for producer in producers for endpoint in producer.endpoints]
            socket = {"type": "zmq_source", "connect": endpoints, "producers": 3}
            with Run(tmp_path, chain(socket=socket)) as run:
                sent = [pool.submit(send, producer, share)
                        for producer, share in zip(producers, shares.values())]
                report = run.finish()
        for future in sent:
            future.result()
    assert report["messages"]["control"] == 3
    check(tmp_path, report, name)


def test_sets_of_different_shapes_and_types_follow_each_other_in_one_run(tmp_path):
    names = ["hdf5_bslz4_u16_panels", "hdf5_none_f32", "hdf5_bslz4_i16_odd"]
    stream = [message for name in names for message in messages(name)]
    with Run(tmp_path, chain()) as run:
        run.wait_running()
        with Push(connect=run.endpoint()) as producer:
            producer.send_all(stream)
        report = run.finish()
    wanted = sum(len(expected(name)["timestamp_u64"]) for name in names)
    assert report["events"]["delivered"] == wanted
    shapes = set()
    for path in cxi_files(tmp_path):
        with h5py.File(path) as file:
            data = file["/entry_1/data_1/data"]
            shapes.add((data.shape[1:], str(data.dtype)))
    assert shapes == {((704, 192), "uint16"), ((128, 160), "float32"), ((85, 93), "int16")}
    assert "images have changed from 4x176x192 uint16 to 128x160 float32" in run.output
