"""The scripts of bench/: that they still run, and what they make of the figures. Speed itself is
nothing that a test can assert."""

import json
import os
import re
import subprocess
import sys

import pytest

from support import ROOT, TIMEOUT, binary


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import report
    return report


def results(times: dict, section="nodes", machine="a machine", quick=False) -> dict:
    return {section: {"machine": machine, "quick": quick, "measurements": [
        {"name": name, "pnflow": seconds} for name, seconds in times.items()]}}


# ---------------------------------------------------------------- measuring

@pytest.mark.parametrize("node, alternative", [("null_sink", None), ("file_source", "tarfile")])
def test_a_node_is_measured_beside_its_alternative(node, alternative):
    kept = ROOT / "build" / "bench" / "results.json"
    before = kept.read_bytes() if kept.exists() else None
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "nodes.py", "--quick", "--only", node], text=True,
        env={**os.environ, "PNFLOW_BINARY": str(binary()), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    time = r"[\d.e+]+ [mun]?s"
    line = rf"{node}, .+: {time}" + (rf"; {alternative} {time}" if alternative else "")
    assert done.stdout and all(re.fullmatch(line, row) for row in done.stdout.splitlines())
    assert (kept.read_bytes() if kept.exists() else None) == before  # --only leaves it alone


def test_decode_is_measured_beside_a_memcpy_and_h5py():
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "decode.py", "--quick", "--only", "4x176x192"], text=True,
        env={**os.environ, "PNFLOW_BINARY": str(binary()), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    time = r"[\d.e+]+ [mun]?s"
    line = rf"4x176x192.none, [12] workers(, into other memory)?: {time}; memcpy {time}; h5py {time}"
    rows = done.stdout.splitlines()
    assert len(rows) == 4 and all(re.fullmatch(line, row) for row in rows), rows


def test_a_node_alone_is_compared_with_the_same_node_in_a_run():
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "solo.py", "--pairs", "1"], text=True,
        env={**os.environ, "PNFLOW_BINARY": str(binary()), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = done.stdout.splitlines()[2:]
    assert len(rows) == 2
    for row in rows:
        assert re.fullmatch(r"\| .+ \| [\d.]+ [mu]s \| [\d.]+ [mu]s \| \d+\.\d{3} \|", row), row


# ---------------------------------------------------------------- comparing

def test_slower_is_what_takes_longer_by_more_than_a_tenth_and_more_than_its_spread(report):
    old = results({"same": [1, 1.1], "slow": [1, 1.1], "little": [1, 1.01], "wide": [1, 3],
                   "faster": [2, 2.1]})
    new = results({"same": [1, 1.1], "slow": [1.5, 1.4], "little": [1.05, 1.06],
                   "wide": [2.9, 3.5], "faster": [1, 1.1], "fresh": [9]})
    [line] = report.slower(old, new)
    assert line.startswith("slow: 1.38 times what it was")


def test_the_exit_code_says_whether_something_became_slower(tmp_path, monkeypatch, report, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(results({"a": [1, 1.1]}, "other")))
    monkeypatch.setattr(report, "RESULTS", new)
    monkeypatch.setattr(report, "text_of", lambda _: "tables")
    monkeypatch.setattr(sys, "argv", ["report.py", "--compare", str(old)])
    for times, code, said in [([2, 2.1], 1, "slower:\na: 1.95 times"),
                              ([1, 1.1], 0, "nothing became slower")]:
        new.write_text(json.dumps(results({"a": times}, "other")))
        with pytest.raises(SystemExit) as end:
            report.main()
        assert end.value.code == code
        assert said in capsys.readouterr().out


def test_what_has_no_ratio_or_is_gone_is_listed_and_does_not_count_as_slower(report, capsys):
    old = results({"zero": [0, 0], "gone": [1], "kept": [1]})
    assert report.compare(old, results({"zero": [5, 5], "kept": [1]})) == 0
    assert capsys.readouterr().out.splitlines() == [
        "not compared:", "zero: was 0 s", "gone: not measured now", "nothing became slower"]


def test_shares_of_a_core_are_not_compared(report, capsys):
    old, new = results({"share": [0.001, 0.001]}), results({"share": [0.002, 0.002]})
    for found in old, new:
        found["nodes"]["measurements"][0]["rate"] = 100
    assert report.compare(old, new) == 0
    assert capsys.readouterr().out == "nothing became slower\n"


@pytest.mark.parametrize("change, said", [
    ({"machine": "another one"}, "section 'nodes' was measured on another machine: a machine; now "
                                 "another one"),
    ({"quick": True}, "section 'nodes' is of a quick run in only one of the two"),
])
def test_results_that_differ_in_more_than_pnflow_are_refused(report, capsys, change, said):
    assert report.compare(results({"a": [1]}), results({"a": [9]}, **change)) == 2
    assert said in capsys.readouterr().err


# ---------------------------------------------------------------- the page

def test_tables_replace_what_stands_between_the_markers_and_nothing_else(tmp_path, monkeypatch,
                                                                         report):
    (tmp_path / "bench").mkdir()
    page = tmp_path / "bench" / "RESULTS.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    report.write("new")
    report.write("newer")
    assert page.read_text() == f"before\n{report.BEGIN}\n\nnewer\n\n{report.END}\nafter\n"
