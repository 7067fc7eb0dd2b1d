"""`pnflow run --trace`: the timeline of a run, read as Perfetto's UI reads it and compared with the
run's report."""

import collections
import json
import os
import signal
import time

import pytest

from chains import chain, counted, sim_source, simulated
from peers import Push
from support import Run, graph, messages, node, pnflow, write_graph


class Timeline:
    """A trace file. Times are whole nanoseconds."""

    def __init__(self, path):
        self.file = json.loads(path.read_text())
        self.events = self.file["traceEvents"]
        for event in self.events:
            for time in ("ts", "dur"):
                if time in event:
                    event[time] = round(1000 * event[time])
                    assert event[time] >= 0, event
        named = [event for event in self.events if event["ph"] == "M"]
        self.groups = {event["pid"]: event["args"]["name"] for event in named
                       if event["name"] == "process_name"}
        self.rows = {(event["pid"], event["tid"]): event["args"]["name"] for event in named
                     if event["name"] == "thread_name"}
        assert len({tid for _, tid in self.rows}) == len(self.rows), "rows with one number"

    def spans(self, group: str, category: str) -> list[dict]:
        return [event for event in self.events if event["ph"] == "X"
                and self.groups[event["pid"]] == group and event["cat"] == category]

    def curve(self, group: str, name: str) -> list[int]:
        """The values of a counter, in the order of their times."""
        found = [(event["ts"], *event["args"].values()) for event in self.events
                 if event["ph"] == "C" and event["name"] == name
                 and self.groups[event["pid"]] == group]
        assert [time for time, _ in found] == sorted(time for time, _ in found)
        return [value for _, value in found]

    def check_rows(self):
        """Every span is on a row with a name; those of a row follow or contain each other."""
        rows = collections.defaultdict(list)
        for event in self.events:
            if event["ph"] == "X":
                rows[event["pid"], event["tid"]].append((event["ts"], event["dur"]))
        assert set(rows) <= set(self.rows)
        for spans in rows.values():
            open_until = []
            for begin, duration in sorted(spans, key=lambda span: (span[0], -span[1])):
                while open_until and open_until[-1] <= begin:
                    open_until.pop()
                assert not open_until or begin + duration <= open_until[-1]
                open_until.append(begin + duration)


def covered(spans: list[dict]) -> int:
    """The time in which one of them at least goes on."""
    total, until = 0, 0
    for span in sorted(spans, key=lambda span: span["ts"]):
        end = span["ts"] + span["dur"]
        total += max(0, end - max(until, span["ts"]))
        until = max(until, end)
    return total


def check_against(timeline: Timeline, report: dict):
    """Each node has one span for every message, and they take the time that it was busy."""
    timeline.check_rows()
    assert timeline.file["otherData"]["left_out"] == 0
    assert timeline.file["otherData"]["run"] == report["run"]
    last = max(event["ts"] + event.get("dur", 0) for event in timeline.events if "ts" in event)
    assert last <= 1.05e9 * report["wall_s"] + 1e7
    for entry in report["nodes"]:
        name = entry["name"]
        spans = timeline.spans(name, "message")
        assert len(spans) == entry["messages"], name
        assert {span["name"] for span in spans} <= {name}
        assert sum(span["args"]["events"] for span in spans) == entry["events"], name
        numbers = [(span["args"]["source"], span["args"]["message"]) for span in spans]
        assert len(set(numbers)) == len(numbers), name
        # A node that answers later is busy while it has a message, however many these are.
        asynchronous = timeline.spans(name, "submit")
        busy = covered(spans) if asynchronous else sum(span["dur"] for span in spans)
        assert busy == pytest.approx(1e9 * entry["busy_s"], rel=0.05, abs=1e6), name
        if "write" in entry:
            writes = timeline.spans(name, "write")
            assert len(writes) == entry["write"]["messages"]
            busy = sum(span["dur"] for span in writes)
            assert busy == pytest.approx(1e9 * entry["write"]["busy_s"], rel=0.05, abs=1e6)


def traced(tmp_path, topology, *arguments) -> Run:
    return Run(tmp_path, topology, "--trace", tmp_path / "trace.json", *arguments)


def timeline_of(tmp_path) -> Timeline:
    return Timeline(tmp_path / "trace.json")


def test_every_message_is_on_the_timeline_of_each_node(tmp_path):
    batch = messages("hdf5_three_ranks")
    with traced(tmp_path, chain()) as run:
        with Push(run.wait_running().endpoint()) as push:
            for message in batch:
                push.send(message)
            push.end()
        report = run.finish()
    timeline = timeline_of(tmp_path)
    check_against(timeline, report)
    assert node(report, "cxi")["messages"] == len(batch)
    # Nodes stand in the order of the graph, each with what it has.
    assert list(timeline.groups.values()) == ["socket", "decode", "q1", "infer", "q2", "peaks",
                                              "cxi"]
    rows = {(timeline.groups[pid], name) for (pid, _), name in timeline.rows.items()}
    assert {("socket", "source"), ("infer", "in work"), ("cxi", "write")} <= rows
    assert any(group == "decode" and name.startswith("worker ") for group, name in rows)
    assert len(timeline.spans("infer", "submit")) == len(batch)
    for limiter in ("q1", "q2"):
        credits = timeline.curve(limiter, "credits out")
        assert len(credits) == 2 * len(batch) and 0 < max(credits) <= 4 and credits[-1] == 0
    for name in list(timeline.groups.values())[1:]:
        assert len(timeline.curve(name, "queue")) == len(batch)


def test_messages_in_work_at_once_are_side_by_side_and_those_that_wait_are_a_curve(tmp_path):
    topology = simulated({"count": 20}, "source -> q1 -> slow -> end", end={"type": "null_sink"},
                         slow={"type": "throttle", "delay": "10 ms"}, window=9)
    with traced(tmp_path, topology) as run:
        report = run.finish()
    timeline = timeline_of(tmp_path)
    check_against(timeline, report)
    spans = timeline.spans("slow", "message")
    assert 2 * covered(spans) < sum(span["dur"] for span in spans)
    rows = {timeline.rows[span["pid"], span["tid"]] for span in spans}
    assert rows == {"in work", "in work 2", "in work 3", "in work 4"}
    assert max(timeline.curve("q1", "queue")) >= 3 and timeline.curve("q1", "queue")[-1] == 0
    assert max(timeline.curve("q1", "credits out")) == 4


def test_messages_of_two_sources_are_told_apart(tmp_path):
    topology = graph({"a": sim_source(count=3), "b": sim_source(count=2),
                      "end": {"type": "null_sink"}}, ["a -> end", "b -> end"])
    with traced(tmp_path, topology) as run:
        report = run.finish()
    timeline = timeline_of(tmp_path)
    check_against(timeline, report)
    sources = [span["args"]["source"] for span in timeline.spans("end", "message")]
    assert sorted(sources) == ["a", "a", "a", "b", "b"]


# ---------------------------------------------------------------- runs that end before

@pytest.mark.sanitizer
def test_a_run_that_a_signal_ends_has_its_timeline(tmp_path):
    topology = counted(count=0, rate="200 Hz")
    with traced(tmp_path, topology) as run:
        run.wait_running()
        time.sleep(0.3)
        run.signal(signal.SIGINT)
        report = run.finish(status=0)
    check_against(timeline_of(tmp_path), report)
    assert timeline_of(tmp_path).spans("end", "message")


@pytest.mark.sanitizer
def test_a_run_that_is_aborted_has_its_timeline(tmp_path):
    topology = simulated({"count": 0}, "source -> slow -> end", end={"type": "null_sink"},
                         slow={"type": "throttle", "delay": "30 s"})
    with traced(tmp_path, topology) as run:
        run.wait_running()
        time.sleep(0.3)
        run.signal(signal.SIGINT)
        run.wait_for_line("stopping")
        run.signal(signal.SIGINT)
        report = run.finish(status=130)
    check_against(timeline_of(tmp_path), report)
    assert timeline_of(tmp_path).spans("slow", "message")


@pytest.mark.sanitizer
def test_a_run_that_fails_has_its_timeline(tmp_path):
    good, bad = messages("hdf5_three_ranks")[:1], [b"no message at all"]
    with traced(tmp_path, chain(decode={"on_error": "stop"})) as run:
        with Push(run.wait_running().endpoint(), linger=0) as push:
            for message in good + bad:
                push.send(message)
            report = run.finish(status=1)
    check_against(timeline_of(tmp_path), report)


# ---------------------------------------------------------------- files that cannot be written

@pytest.mark.parametrize("name, why", [("nowhere/trace.json", "there is no such directory"),
                                       (".", "it is a directory")])
def test_a_trace_that_cannot_be_written_is_an_error_before_the_run(tmp_path, name, why):
    trace = tmp_path / name
    done = pnflow("run", write_graph(tmp_path, counted()), "--trace", trace, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"pnflow: cannot write the trace to '{trace}': {why}\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_an_error_before_the_run(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    trace = tmp_path / "closed" / "trace.json"
    done = pnflow("run", write_graph(tmp_path, counted()), "--trace", trace, cwd=tmp_path)
    assert done.returncode == 2
    assert f"cannot write the trace to '{trace}': Permission denied" in done.stderr


def test_a_disk_that_is_full_is_an_error_in_the_report(tmp_path):
    report = tmp_path / "report.json"
    done = pnflow("run", write_graph(tmp_path, counted()), "--trace", "/dev/full",
                  "--report", report, cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot write the trace to '/dev/full'" in done.stderr
    assert json.loads(report.read_text())["error"] == "cannot write the trace to '/dev/full'"
