"""infer's CUDA graphs: a network finds the same with them as without, and one whose work cannot be
recorded runs all the same."""

import numpy as np
import pytest

from chains import simulated
from gpus import gpus
from inference import EXPORTED, detector_images, figures, infer, stream_of
from support import ROOT, Run, finished, needs_libtorch

pytestmark = [needs_libtorch, pytest.mark.skipif(not gpus(), reason="there is no GPU")]
PAD = {"height": 96, "width": 160, "style": "center"}
WITHOUT = "device 0: the model runs without CUDA graphs: "


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """TorchScript files that compute the same, in operations of which there is one algorithm only,
    so that results can be equal to the last bit. `looks` decides on the host what to do next, and
    `looks_at_one` with single images only, which are recorded last."""
    import torch

    class Smooth(torch.nn.Module):
        def forward(self, x):
            smooth = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
            return torch.cat([1 - smooth, smooth], 1)

    class Looks(torch.nn.Module):
        def forward(self, x):
            smooth = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
            if smooth.max() > 1e9:
                smooth = -smooth
            return torch.cat([1 - smooth, smooth], 1)

    class LooksAtOne(torch.nn.Module):
        def forward(self, x):
            smooth = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
            if x.size(0) == 1:
                if smooth.max() > 1e9:
                    smooth = -smooth
            return torch.cat([1 - smooth, smooth], 1)

    directory = tmp_path_factory.mktemp("models")
    paths = {}
    for name, module in (("smooth", Smooth()), ("looks", Looks()),
                         ("looks_at_one", LooksAtOne())):
        paths[name] = str(directory / f"{name}.pt")
        torch.jit.script(module.eval()).save(paths[name])
    return paths


def torchscript(weights, **settings) -> dict:
    return {"engine": "torchscript", "weights": weights, "devices": [0], "pad": PAD, **settings}


@pytest.mark.parametrize("devices", [[0], [0, 0]])
@pytest.mark.parametrize("batch_size", [1, 6])
def test_results_are_the_same_to_the_last_bit(tmp_path, models, devices, batch_size):
    random = np.random.default_rng(batch_size)
    stream, events = stream_of([detector_images(random, (count, 60, 70), np.dtype("uint16"))
                                for count in (3, 1, 7, 5, 2) * 10])
    results = []
    for name, mode in (("smooth", "off"), ("smooth", "auto"), ("looks", "auto"),
                       ("looks_at_one", "auto")):
        directory = tmp_path / f"{name}-{mode}"
        directory.mkdir()
        results.append(infer(directory, stream, torchscript(
            models[name], devices=devices, batch_size=batch_size, logits=True, cuda_graph=mode)))
    off, auto, *fallen_back = results
    assert sorted(off.maps) == list(range(len(events)))
    assert any(found.any() for found in off.maps.values())
    for result in (auto, *fallen_back):
        assert sorted(result.maps) == sorted(off.maps)
        for event, wanted in off.maps.items():
            np.testing.assert_array_equal(result.maps[event], wanted)
            np.testing.assert_array_equal(result.logits[event], off.logits[event])
    for of in figures(auto.report):
        assert of["graph launches"] == of["micro-batches"]
    for result in (off, *fallen_back):
        assert all(of["graph launches"] == 0 for of in figures(result.report))


@pytest.mark.parametrize("model, mode, said", [
    ("smooth", "auto", "device 0: CUDA graphs of 3 sizes of micro-batch"),
    ("looks", "auto", WITHOUT), ("looks_at_one", "auto", WITHOUT), ("smooth", "off", None)])
def test_the_log_says_which_way_a_model_runs(tmp_path, models, model, mode, said):
    with Run(tmp_path, simulated({"count": 40, "shape": [60, 70], "events_per_message": 3},
                                 infer=torchscript(models[model], batch_size=4,
                                                   cuda_graph=mode))) as run:
        report = run.finish()
    assert report["events"]["decoded"] == 40 and not report["events"]["failed"]
    assert said in run.output if said else "CUDA graphs" not in run.output


def test_a_crop_gives_the_size_as_well(tmp_path, models):
    settings = torchscript(models["smooth"], batch_size=4, crop={"height": 40, "width": 50})
    del settings["pad"]
    [of] = figures(finished(tmp_path, simulated({"count": 40, "shape": [60, 70]}, infer=settings)))
    assert of["graph launches"] == of["micro-batches"] > 0


def test_without_a_size_there_are_none(tmp_path, models):
    settings = torchscript(models["smooth"], batch_size=4)
    del settings["pad"]
    [of] = figures(finished(tmp_path, simulated({"count": 40, "shape": [60, 70]}, infer=settings)))
    assert of["graph launches"] == 0 < of["micro-batches"]


def test_in_the_steady_state_nothing_is_allocated(tmp_path, models):
    [of] = figures(finished(tmp_path, simulated(
        {"count": 12_000, "shape": [60, 70], "preload": 32, "events_per_message": 3},
        "source -> q1 -> infer -> end", q1={"capacity": 16}, end={"type": "null_sink"},
        infer=torchscript(models["smooth"], batch_size=4, buffers=4))))
    assert of["graph launches"] == of["micro-batches"] >= 3000
    assert of["last allocation at micro-batch"] <= 100
    assert of["device memory"] > 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_engine_peaknet_is_recorded_and_its_padding_too(tmp_path, precision):
    settings = {"engine": "peaknet", "weights": str(ROOT / "models" / "peaknet_small.safetensors"),
                "precision": precision, "devices": [0], "batch_size": 4, "normalize": "photons",
                "adu_per_photon": 9.5, "crop": {"height": 90, "width": 101}}
    [of] = figures(finished(tmp_path, simulated({"count": 40, "shape": [96, 120]},
                                                infer=settings)))
    assert of["graph launches"] == of["micro-batches"] > 0
    assert of["last allocation at micro-batch"] <= 10


@pytest.mark.skipif(EXPORTED is None, reason="compiling takes minutes; scripts/gpu-check.sh does it")
@pytest.mark.parametrize("mode", ["auto", "off"])
def test_an_aoti_package_is_recorded_too(tmp_path, mode):
    settings = {"engine": "aoti", "weights": str(EXPORTED / "peaknet_base_cuda_bfloat16.pt2"),
                "precision": "bfloat16", "devices": [0], "batch_size": 8, "buffers": 3,
                "pad": {"height": 1920, "width": 1920}, "cuda_graph": mode}
    [of] = figures(finished(tmp_path, simulated(
        {"count": 64, "shape": [1920, 1920], "preload": 8}, infer=settings)))
    assert of["graph launches"] == (of["micro-batches"] if mode == "auto" else 0)
    assert of["last allocation at micro-batch"] <= 10
