"""Damaged input: every message and every event is accounted for, by reason and by name."""

import random

import pytest

from chains import chain
from cxi import events_in_files
from peers import Push
from support import Run, messages, total


def damaged(message: bytes, rng: random.Random) -> bytes:
    """A message that a broken network, disk or producer might send. Never empty."""
    kind = rng.randrange(5)
    if kind == 0:
        return message[: rng.randrange(1, len(message))]
    if kind == 1:
        return rng.randbytes(rng.randrange(1, 4000))
    if kind == 2:
        return b"PK\x03\x04" + rng.randbytes(100)
    if kind == 3:  # bits flip anywhere, metadata included
        body = bytearray(message)
        for _ in range(rng.randrange(1, 20)):
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        return bytes(body)
    body = bytearray(message)  # a stretch in the middle, where the pixels are
    start = len(body) // 2
    body[start : start + 200] = bytes(200)
    return bytes(body)


@pytest.mark.parametrize("workers", [1, 3])
def test_ten_thousand_events_with_damage_in_between_add_up(tmp_path, workers):
    rng = random.Random(20261124)
    good = messages("hdf5_three_ranks")
    events_of_good = 0
    bad = 0
    events = {len(m): n for m, n in zip(good, (3, 3, 3, 3, 1, 1, 3, 3, 1))}
    topology = chain(decode={"workers": workers}, cxi={"events_per_file": 500})
    with Run(tmp_path, topology, "--quiet") as run, Push(run.wait_running().endpoint()) as push:
        while events_of_good < 10_000:
            message = rng.choice(good)
            if rng.random() < 0.05:
                push.send(damaged(message, rng))
                bad += 1
            else:
                push.send(message)
                events_of_good += events[len(message)]
        push.end()
        report = run.finish()
    unreadable = report["messages"]["unreadable"]
    failed = report["events"]["failed"]
    assert report["events"]["decoded"] >= events_of_good
    assert 0 < total(unreadable) <= bad
    assert total(failed) > 0
    assert report["max_live_messages"] <= report["window"]
    assert events_in_files(tmp_path) == report["events"]["delivered"]
    assert "HDF5:" not in run.output  # no complaint of the library's own
    # Each loss is named in the log, by message and reason.
    for reason, count in unreadable.items():
        assert sum(f"unreadable: {reason}" in line for line in run.lines) == count
    named = sum(": failed: " in line for line in run.lines)
    assert named == total(failed)


@pytest.mark.sanitizer
def test_strict_turns_losses_into_exit_code_4(tmp_path):
    with Run(tmp_path, chain(), "--strict") as run, Push(run.wait_running().endpoint()) as push:
        push.send_all([messages("hdf5_three_ranks")[0], b"garbage"])
        report = run.finish(status=4)
    assert report["messages"]["unreadable"] == {"unknown format": 1}


@pytest.mark.sanitizer
def test_on_error_stop_ends_with_the_message_that_was_bad(tmp_path):
    topology = chain(decode={"on_error": "stop"})
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        push.send(messages("hdf5_three_ranks")[0])
        push.send(b"garbage")
        report = run.finish(status=1)
    assert "unknown format" in report["error"]
    assert "message 1" in report["error"]


@pytest.mark.sanitizer
def test_on_error_keep_stores_the_raw_message(tmp_path):
    topology = chain(decode={"on_error": "keep"}, keep_directory="kept")
    with Run(tmp_path, topology) as run, Push(run.wait_running().endpoint()) as push:
        push.send_all([b"garbage", messages("hdf5_three_ranks")[0], b"more garbage"])
        run.finish()
    kept = sorted((tmp_path / "kept").glob("*.bin"))
    assert [path.read_bytes() for path in kept] == [b"garbage", b"more garbage"]
    assert "unknown format" in kept[0].with_suffix(".txt").read_text()
