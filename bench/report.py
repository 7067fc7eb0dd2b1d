#!/usr/bin/env python3
"""Tables of build/bench/results.json, and what became slower since other results.

    .venv/bin/python bench/report.py [--write] [--compare OLD.json]

--write puts the tables between the two markers in bench/RESULTS.md; without, they are printed.
--compare lists what takes more than 10% longer than in OLD.json although the repetitions of the two
do not overlap, and exits with 1 when there is something; what cannot be compared is listed too. It
refuses, with 2, results of another machine, and a quick run beside one that was not. Shares of a core
are not compared: the clock of processor times has steps as large as some of them.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys

from harness import RESULTS, ROOT, short

BEGIN = "<!-- what follows is written by scripts/bench.sh -->"
END = "<!-- what scripts/bench.sh writes ends here -->"
SLOWER = 1.10


def ratio(row: dict, alternative: str) -> str:
    value = statistics.median(row["alternatives"][alternative]) / statistics.median(row["pnflow"])
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def nodes_table(rows: list[dict]) -> list[str]:
    lines = ["| node | input | of one | pnflow | alternative | its time | ratio |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        what = row["input"] + (f", {row['workers']} workers" if row["workers"] > 1 else "")
        for name in row["alternatives"] or [None]:
            other = (f"{name} | {short(row['alternatives'][name])} | {ratio(row, name)}" if name
                     else "- | - | -")
            lines.append(f"| `{row['node']}` | {what} | {row['per']} | {short(row['pnflow'])} "
                         f"| {other} |")
    return lines


def programs_table(rows: list[dict]) -> list[str]:
    lines = ["| what | pnflow | alternative | its time | ratio |", "|---|---|---|---|---|"]
    for row in rows:
        others = row.get("alternatives") or {}
        for name in others or [None]:
            other = f"{name} | {short(others[name])} | {ratio(row, name)}" if name else "- | - | -"
            lines.append(f"| {row['name']} | {short(row['pnflow'])} | {other} |")
    return lines


def decode_table(rows: list[dict]) -> list[str]:
    lines = ["| message, SHAPE.STORAGE | workers | pnflow | GB/s of pixels | the limit | its time "
             "| limit / pnflow | Python | its time | ratio |", "|---" * 10 + "|"]
    for row in rows:
        rate = row["bytes"] / statistics.median(row["pnflow"]) / 1e9
        share = statistics.median(row["limit"]) / statistics.median(row["pnflow"])
        other = " | ".join(["- | - | -", *(f"{name} | {short(times)} | {ratio(row, name)}"
                                           for name, times in row["alternatives"].items())][-1:])
        lines.append(f"| {row['input']} | {row['workers']} | {short(row['pnflow'])} | {rate:.3g} "
                     f"| {row['library']} | {short(row['limit'])} | {share:.3g} | {other} |")
    return lines


def chain_table(rows: list[dict]) -> list[str]:
    lines = ["| stream | pnflow, events/s | one Python process, events/s | ratio |",
             "|---|---|---|---|"]
    for row in rows:
        if "alternatives" in row:
            [(name, theirs)] = row["alternatives"].items()
            lines.append(f"| {row['input']} | {1 / statistics.median(row['pnflow']):.1f} "
                         f"| {1 / statistics.median(theirs):.1f} | {ratio(row, name)} |")
    lines += ["", "| messages a second | graph | share of one core |", "|---|---|---|"]
    for row in rows:
        if "rate" in row:
            lines.append(f"| {row['rate']} | {row['graph']} "
                         f"| {100 * statistics.median(row['pnflow']):.1f}% |")
    return lines


SECTIONS = {"nodes": ("Nodes", nodes_table), "decode": ("Decode", decode_table),
            "programs": ("A hop, the window, and peaks from memory", programs_table),
            "cxi_writer": ("Writing CXI files, an event", programs_table),
            "chain": ("The chain", chain_table)}


def text_of(results: dict) -> str:
    parts = []
    for key, (title, table) in SECTIONS.items():
        if key not in results:
            continue
        section = results[key]
        quick = " A quick run, only to see that all of it works." if section["quick"] else ""
        parts.append("\n".join([
            f"## {title}", "",
            f"{section['machine']}, {section['date']}, commit `{section['commit']}`;",
            f"`.venv/bin/python {section['command']}`.{quick}", "",
            *table(section["measurements"])]))
    return "\n\n".join(parts)


def write(text: str):
    path = ROOT / "bench" / "RESULTS.md"
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


class Incomparable(Exception):
    """Two results that differ in more than pnflow; the text says in what."""


def check_alike(old: dict, new: dict):
    for key in old.keys() & new.keys():
        before, after = old[key], new[key]
        if before["machine"] != after["machine"]:
            raise Incomparable(f"section '{key}' was measured on another machine: "
                               f"{before['machine']}; now {after['machine']}")
        if before["quick"] != after["quick"]:
            raise Incomparable(f"section '{key}' is of a quick run in only one of the two")


def by_name(results: dict) -> dict[str, list[float]]:
    """The measurements that are times."""
    return {row["name"]: row["pnflow"] for section in results.values()
            for row in section["measurements"] if "rate" not in row}


def not_compared(old: dict, new: dict) -> list[str]:
    """What is gone, or has an older time that no ratio can be made of."""
    after = by_name(new)
    lines = []
    for name, times in by_name(old).items():
        if name not in after:
            lines.append(f"{name}: not measured now")
        elif (was := statistics.median(times)) <= 0:
            lines.append(f"{name}: was {was:.3g} s")
    return lines


def slower(old: dict, new: dict) -> list[str]:
    found = []
    before = by_name(old)
    for name, times in by_name(new).items():
        if name not in before:
            continue
        was, now = statistics.median(before[name]), statistics.median(times)
        if was > 0 and now > SLOWER * was and min(times) > max(before[name]):
            found.append(f"{name}: {now / was:.2f} times what it was ({was:.3g}, now {now:.3g})")
    return found


def compare(old: dict, new: dict) -> int:
    """Prints what --compare is for, and returns its exit code."""
    try:
        check_alike(old, new)
    except Incomparable as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 2
    if left_out := not_compared(old, new):
        print("\n".join(["not compared:", *left_out]))
    lines = slower(old, new)
    print("\n".join(["slower:", *lines] if lines else ["nothing became slower"]))
    return int(bool(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--compare", type=pathlib.Path, metavar="OLD.json", help="older results")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text())
    if options.write:
        write(text_of(results))
    else:
        print(text_of(results))
    if options.compare:
        raise SystemExit(compare(json.loads(options.compare.read_text()), results))


if __name__ == "__main__":
    main()
