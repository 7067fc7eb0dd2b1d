"""One stream of all formats, from several producers at once, with damaged messages in between."""

from __future__ import annotations

import collections
import random
import threading

import cbor2
import pytest

from chains import chain
from cxi import events_in_files
from damage import all_kinds
from peers import Push
from support import Run, expected, messages

# Sets that one decoder takes as they are, by producer.
PRODUCERS = {
    "hdf5": ["hdf5_three_ranks", "hdf5_gzip_f32_panels", "hdf5_bslz4_i16_odd"],
    "npz": ["npz_deflate_batch_f32", "npz_timestamp_string", "npz_timestamp_f64_seconds"],
    "npz stored": ["npz_stored_center_f32"],
    "npay": ["npay_none_u16"],
    "simplon": ["simplon_two_ranks"],
}
MESSAGES = 560  # of each producer


def whole_messages(sets) -> list[tuple[bytes, int]]:
    """Messages and the events in each; of Simplon only the images."""
    found = []
    for name in sets:
        counts = collections.Counter(int(number) for number in expected(name)["message"])
        found += [(message, counts[n]) for n, message in enumerate(messages(name)) if counts[n]]
    return found


@pytest.mark.parametrize("workers", [3])
def test_five_producers_of_all_formats_with_damage_in_between_add_up_reason_by_reason(
        tmp_path, workers):
    rng = random.Random(20261125)
    kinds = all_kinds()
    assert len(kinds) >= 20 and len({damaged.kind for damaged in kinds}) == len(kinds)
    # 1% of the stream is damaged: every kind once, spread over the producers and the time.
    damage: dict[str, dict[int, list]] = {name: {} for name in PRODUCERS}
    for damaged in kinds:
        producer = "simplon" if damaged.kind.startswith("Simplon") else rng.choice(list(PRODUCERS))
        damage[producer].setdefault(rng.randrange(MESSAGES), []).append(damaged)
    start = next(m for m in messages("simplon_two_ranks") if cbor2.loads(m[1:])["type"] == "start")
    good_events = collections.Counter()

    def produce(name, endpoint):
        whole = whole_messages(PRODUCERS[name])
        with Push(connect=endpoint) as push:
            if name == "simplon":
                push.send(start)
            for number in range(MESSAGES):
                for damaged in damage[name].get(number, []):
                    push.send_parts(damaged.parts)
                message, events = whole[number % len(whole)]
                push.send(message)
                good_events[name] += events
            push.end()

    topology = chain(socket={"producers": len(PRODUCERS)}, decode={"workers": workers},
                     infer={"engine": "none"}, cxi={"events_per_file": 500})
    with Run(tmp_path, topology, "--quiet") as run:
        endpoint = run.wait_running().endpoint()
        threads = [threading.Thread(target=produce, args=(name, endpoint)) for name in PRODUCERS]
        for thread in threads:
            thread.start()
        report = run.finish()
        for thread in threads:
            thread.join()
    unreadable = collections.Counter(d.unreadable for d in kinds if d.unreadable)
    failed = collections.Counter()
    for damaged in kinds:
        if damaged.failed:
            failed[damaged.failed[0]] += damaged.failed[1]
    assert report["messages"]["unreadable"] == dict(unreadable)
    assert report["events"]["failed"] == dict(failed)
    decoded = sum(good_events.values()) + sum(d.decoded for d in kinds)
    assert report["events"]["decoded"] == decoded
    assert report["events"]["delivered"] == decoded - failed.total()
    assert report["messages"]["control"] == len(PRODUCERS) + 1  # end markers and the start
    assert report["messages"]["received"] == (
        len(PRODUCERS) * (MESSAGES + 1) + 1 + len(kinds))
    assert report["max_live_messages"] <= report["window"]
    assert events_in_files(tmp_path) == report["events"]["delivered"]
    for reason, count in unreadable.items():
        assert sum(f"unreadable: {reason}:" in line for line in run.lines) == count
