"""`pnflow gpu`: what it says with and without GPUs, modules and LibTorch. The driver is the judge of
which GPUs there are."""

import json
import os
import re
import subprocess

import pytest

from gpus import gpus
from support import CUDA, LIBTORCH, TIMEOUT, binary, needs_libtorch, pnflow

needs_cuda = pytest.mark.skipif(not CUDA, reason="this build has no CUDA")
needs_gpu = pytest.mark.skipif(not CUDA or not gpus(), reason="there is no GPU")


def told(*arguments, **environment) -> str:
    """What it prints on stdout, its exit code being 0, in a changed environment."""
    done = subprocess.run([binary(), "gpu", *arguments], text=True, capture_output=True,
                          timeout=TIMEOUT, env={**os.environ, **environment})
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout


# ---------------------------------------------------------------- everywhere

@needs_cuda
def test_no_gpu_is_an_answer():
    text = told(CUDA_VISIBLE_DEVICES="")
    assert re.search(r"^CUDA module +yes, /\S+/libpnflow_cuda.so$", text, re.M)
    assert re.search(r"^There is no GPU: (there is no NVIDIA driver|this process sees none)", text,
                     re.M)
    assert re.search(r"^on the CPU +none, threshold", text, re.M)
    found = json.loads(told("--json", CUDA_VISIBLE_DEVICES=""))
    assert found["devices"] == [] and found["why_none"] in text
    assert found["cuda_module"]["loaded"] and found["cuda_module"]["error"] is None


@pytest.mark.sanitizer
@pytest.mark.skipif(CUDA, reason="this build has CUDA")
def test_without_the_cuda_module_the_engines_of_the_cpu_are_told():
    text = told()
    assert "module 'cuda' is not there" in text and "libpnflow_cuda.so" in text
    assert re.search(r"^on the CPU +none, threshold", text, re.M)
    assert "on GPUs" not in text and "No GPU can be used" in text


@needs_cuda
def test_a_module_that_cannot_be_loaded_is_named_with_the_loaders_words(tmp_path):
    (tmp_path / "libpnflow_cuda.so").write_text("not a library")
    found = json.loads(told("--json", PNFLOW_MODULE_PATH=str(tmp_path)))
    assert found["cuda_module"]["file"] == str(tmp_path / "libpnflow_cuda.so")
    assert not found["cuda_module"]["loaded"] and found["cuda_module"]["error"]
    assert found["engines"] == {"cpu": ["none", "threshold"], "gpu": []}
    assert "No GPU can be used" in told(PNFLOW_MODULE_PATH=str(tmp_path))


@needs_libtorch
def test_libtorch_is_loaded_only_when_asked_for():
    without = json.loads(told("--no-measure", "--json"))
    assert without["torch_module"]["file"].endswith("/libpnflow_torch.so")
    assert not without["torch_module"]["loaded"]
    assert without["engines"]["cpu"] == ["none", "threshold"]
    loaded = json.loads(told("--no-measure", "--json", "--engines"))
    assert loaded["torch_module"]["loaded"]
    assert loaded["engines"]["cpu"] == ["aoti", "none", "peaknet", "threshold", "torchscript"]


@pytest.mark.skipif(LIBTORCH, reason="this build has LibTorch")
def test_a_torch_module_that_is_not_there_is_told():
    assert "module 'torch' is not there" in told("--no-measure")


# ---------------------------------------------------------------- with a GPU

@needs_gpu
def test_the_gpus_are_those_that_the_driver_counts():
    found = json.loads(told("--no-measure", "--json"))
    assert found["why_none"] is None and found["driver_cuda"]
    assert [device["name"] for device in found["devices"]] == [name for name, _ in gpus()]
    for index, (device, (_, memory)) in enumerate(zip(found["devices"], gpus(), strict=True)):
        assert device["index"] == index and device["copies"] is None and not device["why_not"]
        assert abs(device["memory_bytes"] - memory) < 0.01 * memory
        assert 0 < device["free_bytes"] <= device["memory_bytes"]
        assert device["multiprocessors"] > 0
        assert re.fullmatch(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.0", device["pci_bus_id"])


@needs_gpu
def test_copies_are_measured_in_every_way():
    done = pnflow("gpu", "--json")
    assert done.returncode == 0, done.stderr
    for device in json.loads(done.stdout)["devices"]:
        speeds = device["copies"]
        assert set(speeds) == {"pinned_up", "pinned_down", "pinned_both", "ordinary_up",
                               "ordinary_down"}
        assert all(1e8 < speed < 1e13 for speed in speeds.values())  # bytes a second
    text = told()
    rows = re.findall(r"^ *\d+  (pinned|ordinary) memory((?: +[\d.]+)+)$", text, re.M)
    assert len(rows) == 2 * len(gpus())
    assert {kind: len(numbers.split()) for kind, numbers in rows} == {"pinned": 3, "ordinary": 2}
    assert all(name in text for name, _ in gpus())
