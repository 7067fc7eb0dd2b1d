"""bench/compare/torch_pipeline.py: its variants run, and it understands pnflow's report."""

import json
import os
import subprocess
import sys

import pytest

from support import ROOT


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch = pytest.importorskip("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        from peaknet import SIZES
        from peaknet_weights import random_network
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    torch.save(random_network(SIZES["tiny"], seed=1).state_dict(), path)
    return path


def run(*arguments):
    """With one thread: on images this small others only wait for each other."""
    return subprocess.run(
        [sys.executable, ROOT / "bench" / "compare" / "torch_pipeline.py", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}, text=True,
        capture_output=True, timeout=200)


def written_report(path, figures):
    path.write_text(json.dumps({"nodes": [
        {"name": "source", "type": "sim_source"},
        {"name": "net", "type": "infer", "figures": figures}]}))
    return path


def test_variants_are_measured_beside_a_report_of_pnflow(weights, tmp_path):
    report = written_report(tmp_path / "report.json", {
        device: {"rate": {"value": 1e6, "unit": "images/s"},
                 "compute idle": {"value": idle, "unit": "%"}}
        for device, idle in [("device 0", 1), ("device 1", 3)]})
    done = run("--weights", weights, "--size", "tiny", "--device", "cpu", "--precision", "float32",
               "--height", 64, "--width", 96, "--batch", 2, "--images", 4, "--seconds", 0.1,
               "--warm-up", 0, "--variants", "eager,original,alone-eager,lone-eager",
               "--json", tmp_path / "out.json", "--pnflow-json", report)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["pnflow report", "eager", "original", "alone-eager", "lone-eager"]
    assert rows["pnflow report"]["images_per_s"] == 2e6
    assert rows["pnflow report"]["idle"] == pytest.approx(0.02)
    for name in "eager", "original", "alone-eager", "lone-eager":
        assert rows[name]["images_per_s"] > 0 and 0 <= rows[name]["idle"] < 1
        assert f"| {name} | " in done.stdout and f" x {name}" in done.stdout


def test_a_report_without_the_rate_of_an_infer_node_is_refused_before_anything_runs(weights,
                                                                                   tmp_path):
    report = written_report(tmp_path / "report.json", {})
    done = run("--weights", weights, "--device", "cpu", "--pnflow-json", report)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"{report}: no node of type infer tells its images/s\n"


def test_a_variant_that_fails_does_not_take_the_others_with_it(weights, tmp_path):
    """The weights are those of another size."""
    done = run("--weights", weights, "--size", "base", "--device", "cpu", "--height", 32,
               "--width", 32, "--images", 1, "--variants", "eager,alone-eager",
               "--json", tmp_path / "out.json")
    assert done.returncode == 1
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["eager", "alone-eager"]
    assert all(row["details"]["error"].startswith("RuntimeError: ") for row in rows)
