"""pnflow bench: a node of a graph measured alone, on what the nodes before it make of the graph's
own source. Times are only looked at for being there: speed is no property that a test can assert.
"""

import json
import re

import pytest

from chains import chain, simulated
from cxi import events_in_files
from support import DATA, ROOT, Process, messages, pnflow, write_graph
from tar_records import write_record

DEMO = ROOT / "configs" / "threshold.yaml"
PANELS = "hdf5_bslz4_u16_panels"  # 4 events of 4x176x192 in 2 messages
SHORT = ["--min-time", 0.01, "--repetitions", 2]


def files(name: str) -> list:
    return ["--push", DATA / "lclstreamer" / name / "*.bin"]


def bench(graph, node, *arguments, cwd=None):
    return pnflow("bench", graph, "--node", node, *SHORT, *arguments, cwd=cwd)


def measured(done) -> list[dict]:
    """The rows of the table, as column -> text."""
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    [header] = [i for i, line in enumerate(lines) if "time/message" in line]
    titles = re.split(r"\s{2,}|(?<=e) (?=time)|(?<=t) (?=events)", lines[header].strip())
    rows = [re.findall(r"[\d.e+]+(?: ?[mun]?s\b|%)?|-", line) for line in lines[header + 1:]
            if re.match(r" +\d+ ", line)]
    return [dict(zip(titles, row, strict=True)) for row in rows]


def seconds(text: str) -> float:
    number, unit = text.split(" ")
    return float(number) * {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]


@pytest.fixture
def simulation(tmp_path):
    """A graph that needs no producer; its last message is smaller than the others."""
    return write_graph(tmp_path, simulated({"count": 30, "events_per_message": 4}))


# ---------------------------------------------------------------- every kind of node

@pytest.mark.parametrize("node, events", [("socket", None), ("decode", 64), ("infer", 64),
                                          ("peaks", 64), ("cxi", None)])
def test_every_node_of_the_main_job_is_measured_on_captured_messages(tmp_path, node, events):
    done = bench(DEMO, node, *files(PANELS), "--set", f"cxi.directory={tmp_path}")
    [row] = measured(done)
    assert seconds(row["time/message"]) > 0 and float(row["MB/s"]) > 0
    if node != "socket":
        assert float(row["events/s"]) > 0 and "0 failed" in done.stdout
    if events:  # 32 messages are recorded, whatever the set has
        assert f"of {events} events {events} passed" in done.stdout
    assert not done.stderr


def test_the_rates_of_a_row_belong_together(simulation):
    [row] = measured(bench(simulation, "peaks", "--messages", 5))
    message, event = seconds(row["time/message"]), seconds(row["time/event"])
    assert message / event == pytest.approx(4, rel=0.02)
    assert float(row["events/s"]) == pytest.approx(1 / event, rel=0.02)


def test_a_writer_leaves_good_files_and_every_event_is_in_one(tmp_path, simulation):
    done = bench(simulation, "cxi", "--workers", 2, cwd=tmp_path)
    assert measured(done)
    [last] = [int(n) for n in re.findall(r"of (\d+) events", done.stdout.splitlines()[-1])]
    assert events_in_files(tmp_path) > last  # of all measurements


def test_an_asynchronous_node_has_as_many_messages_in_work_as_workers(tmp_path):
    """A throttle passes one message after the other: their time is its delay, however many wait."""
    graph = write_graph(tmp_path, simulated(
        {}, "source -> slow -> end", slow={"type": "throttle", "delay": "3 ms"},
        end={"type": "null_sink"}))
    rows = measured(bench(graph, "slow", "--workers", "1,4"))
    assert [row["in work"] for row in rows] == ["1", "4"]
    assert all(seconds(row["time/message"]) >= 0.003 for row in rows)


def test_a_finite_source_is_run_again(tmp_path):
    graph = write_graph(tmp_path, simulated({"count": 40, "preload": 3}, "source -> end",
                                            end={"type": "null_sink"}))
    [row] = measured(bench(graph, "source"))
    assert float(row["events/s"]) > 0


def test_without_a_producer_of_its_own_it_waits_for_one(tmp_path):
    graph = write_graph(tmp_path, chain("socket -> decode -> end", end={"type": "null_sink"}))
    with Process("bench", graph, "--node", "decode", *SHORT, "--messages", 6) as waiting:
        waiting.wait_for_line("waiting for a producer to feed socket")
        endpoint = waiting.wait_for_line(r"\bbound (\S+)").group(1)
        pushed = pnflow("push", "--connect", endpoint, "--loop", 8, "--timeout", "1s", "--linger",
                        "1s", "--files", DATA / "lclstreamer" / PANELS / "*.bin")
        assert waiting.wait() == 0, waiting.output
    assert "fed with 6 messages" in waiting.output
    assert pushed.returncode in (0, 1)  # what nobody took is lost


def test_a_transform_is_measured_with_empty_caches(simulation):
    [row] = measured(pnflow("bench", simulation, "--node", "peaks", "--cold", "--min-time", 0.0005,
                            "--repetitions", 1))
    assert "cores" not in row and float(row["events/s"]) > 0


# ---------------------------------------------------------------- the input

def test_fewer_messages_than_asked_for_are_used_and_limits_hold(simulation):
    assert "fed with 8 messages of 30 events" in bench(simulation, "infer").stdout
    assert "fed with 3 messages of 12 events" in bench(simulation, "infer", "--messages", 3).stdout
    assert "fed with 1 messages" in bench(simulation, "infer", "--memory", "1kB").stdout


def test_the_messages_of_a_record_can_be_pushed(tmp_path):
    record = write_record(tmp_path / "run.tar", messages(PANELS), [1, 2])
    done = bench(DEMO, "decode", "--push", record)
    assert measured(done) and "of 64 events 64 passed" in done.stdout


def test_events_that_were_vetoed_before_do_not_come_back(tmp_path):
    graph = write_graph(tmp_path, simulated({"count": 40, "peaks": [0, 12]},
                                            peaks={"min_num_peak": 6}))
    done = bench(graph, "cxi", "--messages", 40, cwd=tmp_path)
    messages = int(re.search(r"fed with (\d+) messages", done.stdout).group(1))
    assert 0 < messages < 40  # a message without a living event comes to no node


def test_an_input_that_never_comes_is_an_error_that_says_so(tmp_path):
    graph = write_graph(tmp_path, simulated({"count": 5, "peaks": 0}, peaks={"min_num_peak": 1}))
    done = bench(graph, "cxi", cwd=tmp_path)
    assert done.returncode == 1
    assert "no message came to 'cxi'" in done.stderr and "5  few peaks" in done.stderr


def test_a_node_that_fails_on_everything_is_not_measured(tmp_path):
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"no message")
    done = bench(DEMO, "decode", "--push", bad)
    assert done.returncode == 1
    assert "'decode' fails on all of its input: unknown format" in done.stderr


# ---------------------------------------------------------------- workers and JSON

def test_there_is_a_row_for_each_number_of_workers(simulation):
    rows = measured(bench(simulation, "peaks", "--workers", "1,2,3"))
    assert [row["workers"] for row in rows] == ["1", "2", "3"]


def test_the_json_is_google_benchmarks_own(tmp_path, simulation):
    found = tmp_path / "found.json"
    assert measured(bench(simulation, "peaks", "--workers", "1,2", "--json", found))
    written = json.loads(found.read_text())
    context = written["context"]
    assert (context["node"], context["type"]) == ("peaks", "find_peaks")
    assert context["graph"] == str(simulation) and context["input_messages"] == "8"
    runs = [run for run in written["benchmarks"] if run["run_type"] == "iteration"]
    assert [run["workers"] for run in runs] == [1, 1, 2, 2]
    for run in runs:
        assert run["real_time"] > 0 and run["time_unit"] == "us" and run["iterations"] > 0
        assert run["items_per_second"] > 0 and run["bytes_per_second"] > 0
    medians = [run for run in written["benchmarks"] if run.get("aggregate_name") == "median"]
    assert [run["workers"] for run in medians] == [1, 2]


def test_the_median_of_an_even_number_is_google_benchmarks_own(tmp_path, simulation):
    found = tmp_path / "found.json"
    [row] = measured(bench(simulation, "peaks", "--json", found))
    by_name = {run.get("aggregate_name"): run for run in json.loads(found.read_text())["benchmarks"]}
    assert seconds(row["time/message"]) == pytest.approx(by_name["median"]["real_time"] * 1e-6,
                                                         rel=0.006)  # three digits


# ---------------------------------------------------------------- refusals

@pytest.mark.parametrize("node, arguments, said", [
    ("q1", [], ["q1 is a limiter: it does no work of its own"]),
    ("peeks", [], ["no node 'peeks'", "did you mean 'peaks'?"]),
    ("source", ["--workers", "2"], ["--workers", "source is a source"]),
    ("source", ["--messages", "5"], ["--messages, --memory: source is a source"]),
    ("source", ["--memory", "1MB"], ["--messages, --memory: source is a source"]),
    ("peaks", ["--push", "x.bin"], ["--push: no zmq_source leads to peaks"]),
    ("peaks", ["--set", "peaks.min_num_peek=3"], ["unknown key 'min_num_peek'"]),
    ("peaks", ["--json", "nowhere/x.json"], ["nowhere/x.json"]),
    ("peaks", ["--workers", "0"], ["--workers"]),
    ("peaks", ["--workers", "1,2", "--cold"], ["--cold is for transforms with one worker"]),
    ("infer", ["--cold"], ["--cold is for transforms with one worker"]),
    ("peaks", ["--memory", "5 apples"], ["'5 apples' is not a size"]),
])
def test_what_cannot_be_measured_is_refused_by_name_with_exit_code_2(simulation, node, arguments,
                                                                      said):
    done = bench(simulation, node, *arguments)
    assert done.returncode == 2 and not done.stdout
    for text in said:
        assert text in done.stderr


def test_files_to_push_that_are_not_there_are_named():
    done = bench(DEMO, "decode", "--push", "nothing/*.bin")
    assert done.returncode == 2
    assert "no file is called 'nothing/*.bin'" in done.stderr
