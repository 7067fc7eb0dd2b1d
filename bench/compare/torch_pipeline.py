#!/usr/bin/env python3
"""Images per second of PeakNet in PyTorch, as one would write it in Python without pnflow.

    bench/compare/torch_pipeline.py --weights peaknet_base_state.pt --json out.json
    bench/compare/torch_pipeline.py --weights peaknet_base_state.pt --pnflow-json report.json

The work is that of pnflow's node `infer`: float32 images in the host's memory go to the device, are
normalised there, and maps of where the peaks are come back.

  eager          pinned memory, a stream for each direction and one for the network, sets of buffers
  compile        the same with torch.compile
  original       images pickled from process to process, pageable memory, float32 logits to the host
  alone-eager    images that are on the device, batches enqueued back to back: no copies
  alone-compile  the same with torch.compile
  lone-eager     a batch at a time, copies included: with --batch 1, the latency of an image
  lone-compile   the same with torch.compile

Compute idle is the share of time in which the device was in no batch's computation, by its own
clock, from the first one's begin to the last one's end. --pnflow-json takes what `pnflow run
--report` wrote. On a GPU torch.compile needs the package triton, of the version that torch names.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import platform
import shlex
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
from peaknet import SIZES, STRIDE  # noqa: E402
from torch_bench import PRECISIONS, Bench, Row, run_or_tell  # noqa: E402

NAMES = ("eager", "compile", "original", "alone-eager", "alone-compile", "lone-eager",
         "lone-compile")
MODES = ("default", "max-autotune-no-cudagraphs")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", type=pathlib.Path, required=True,
        help="state dict, as scripts/export_peaknet.py writes it")
    add("--size", choices=SIZES, default="base", help="of the network (default base)")
    add("--precision", choices=PRECISIONS, default="bfloat16", help="(default bfloat16)")
    add("--batch", type=int, default=8, help="images (default 8)")
    add("--height", type=int, default=1920, help="of an image (default 1920)")
    add("--width", type=int, default=1920, help="of an image (default 1920)")
    add("--images", type=int, default=64, help="different ones that the stream has (default 64)")
    add("--buffers", type=int, default=2, help="sets of them (default 2)")
    add("--preloaded-pinned", action="store_true",
        help="the stream's images are in pinned memory: no copy on the host")
    add("--seconds", type=float, default=30, help="of each variant (default 30)")
    add("--warm-up", type=float, default=3, help="seconds before them (default 3)")
    add("--variants", type=lambda text: text.split(","), default=list(NAMES),
        help=f"some of {','.join(NAMES)} (default all)")
    add("--mode", choices=MODES, default="default", help="of torch.compile (default default)")
    add("--device", choices=("cpu", "cuda"), default="cuda",
        help="(default cuda; cpu only shows that all of it runs)")
    add("--json", type=pathlib.Path, help="file for everything measured")
    add("--pnflow-json", type=pathlib.Path, nargs="+", default=[], metavar="REPORT",
        help="reports of pnflow, to compare with")
    options = parser.parse_args()
    if unknown := [name for name in options.variants if name not in NAMES]:
        parser.error(f"--variants: no '{unknown[0]}'; there are {', '.join(NAMES)}")
    for name in ("height", "width"):
        if getattr(options, name) < STRIDE or getattr(options, name) % STRIDE:
            parser.error(f"--{name} must be a multiple of {STRIDE}")
    for name in ("batch", "images", "buffers"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no GPU here")
    return options


# ---------------------------------------------------------------- pnflow

def pnflow_row(path: pathlib.Path) -> Row:
    """All devices of the report's nodes of type infer together."""
    report = json.loads(path.read_text())
    devices = [figures for node in report["nodes"] if node["type"] == "infer"
               for figures in node.get("figures", {}).values()]
    rates = [rate for figures in devices if (rate := figure(figures, "images/s")) is not None]
    idle = [share for figures in devices if (share := figure(figures, "compute idle")) is not None]
    if not rates:
        raise SystemExit(f"{path}: no node of type infer tells its images/s")
    return Row(f"pnflow {path.stem}", sum(rates),
               sum(idle) / len(idle) / 100 if idle else None,
               {"report": str(path), "figures": devices})


def figure(figures: dict, wanted: str) -> float | None:
    """The first value that has the name or the unit, the name going before."""
    found = ([entry["value"] for name, entry in figures.items() if name == wanted]
             + [entry["value"] for entry in figures.values() if entry["unit"] == wanted])
    return found[0] if found else None


# ---------------------------------------------------------------- telling

def machine(device: str) -> dict:
    on_gpu = device == "cuda"
    return {"device": torch.cuda.get_device_name() if on_gpu else platform.processor() or "CPU",
            "torch": torch.__version__, "cuda": torch.version.cuda if on_gpu else None,
            "cudnn": torch.backends.cudnn.version() if on_gpu else None,
            "python": platform.python_version(), "threads": torch.get_num_threads()}


def table(rows: list[Row], reports: int, what: str) -> str:
    """The first `reports` rows are pnflow's."""
    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    base = rows[0].images_per_s
    lines = [what, "",
             f"| variant | images/s | of {rows[0].name} | compute idle | compiled in, s |",
             "|---|---|---|---|---|"]
    for row in rows:
        ratio = row.images_per_s / base if base and row.images_per_s else None
        lines.append(f"| {row.name} | {cell(row.images_per_s, '.2f')} | {cell(ratio, '.3f')} "
                     f"| {cell(row.idle, '.1%')} | {cell(row.details.get('compile_s'), '.1f')} |")
    lines += [f"\n{row.name} is " + ", ".join(
        f"{row.images_per_s / other.images_per_s:.2f} x {other.name}" for other in rows[reports:]
        if other.images_per_s) for row in rows[:reports]]
    return "\n".join(lines)


def main() -> int:
    options = parse()
    rows = [pnflow_row(path) for path in options.pnflow_json]
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    about = machine(options.device)
    bench = Bench(options)
    for name in options.variants:
        with torch.inference_mode():
            rows.append(run_or_tell(bench, name))
        print(f"{name}: {rows[-1].details}", file=sys.stderr, flush=True)
        if options.json:  # after each, so that a time limit does not take what there is
            options.json.write_text(json.dumps(
                {**about, "command": shlex.join(sys.argv), "options": vars(options),
                 "rows": [dataclasses.asdict(row) for row in rows]}, indent=1, default=str) + "\n")
    print(table(rows, len(options.pnflow_json),
                f"PeakNet {options.size}, {options.precision}, batch {options.batch}, "
                f"{options.height}x{options.width}, {about['device']}, torch {about['torch']}"))
    return int(any("error" in row.details for row in rows))


if __name__ == "__main__":
    sys.exit(main())
