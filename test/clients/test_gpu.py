"""infer on GPUs: what the CPU, or PyTorch, finds; message by message, and when a GPU fails."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from chains import IN_ORDER, simulated
from cxi import STAMPS, cxi_files
from gpus import gpus
from inference import (ADU_PER_PHOTON, EXPORTED, PHOTONS, SHIPPED_WEIGHTS, detector_images, figures,
                       infer, logits_of, prepared, shipped_network, stream_of, with_metadata,
                       write_mask)
from support import BINARY, ROOT, Run, finished, needs_libtorch, node, total


GPUS = len(gpus())
pytestmark = pytest.mark.skipif(GPUS == 0, reason="there is no GPU")
FAULTY = BINARY.resolve().parent.parent / "test" / "plugins" / "faulty_model.so"
PAD = {"height": 96, "width": 160, "style": "center"}


def on_both(directory, stream, settings: dict, gpu: dict, **changes):
    """The results on the CPU, and those on a GPU with its settings."""
    results = []
    for place, more in (("cpu", {}), ("gpu", {"devices": [0], **gpu})):
        (directory / place).mkdir()
        results.append(infer(directory / place, stream, {**settings, **more}, **changes))
    return results


def check_maps(cpu, gpu):
    assert sorted(gpu.maps) == sorted(cpu.maps)
    for event, wanted in cpu.maps.items():
        np.testing.assert_array_equal(gpu.maps[event], wanted)
    assert any(found.any() for found in cpu.maps.values())


# ---------------------------------------------------------------- without a network

@pytest.mark.parametrize("output", ["bits", "uint8"])
@pytest.mark.parametrize("batch_size", [1, 4, 8, 16])
def test_1003_events_in_three_shapes_are_what_the_cpu_finds(tmp_path, output, batch_size):
    """Messages of 1 to 7 events, so that micro-batches span messages and messages span
    micro-batches. Between them come messages that cannot be read, and events that are vetoed before
    they reach the GPU."""
    random = np.random.default_rng(batch_size)
    batches, left = [], 1003
    while left > 0:
        events = min(int(random.integers(1, 8)), left)
        shape = [(2, 60, 70), (90, 110), (1, 31, 129)][random.integers(3)]
        dtype = random.choice(["uint16", "float32", "int32"])
        batches.append(detector_images(random, (events, *shape), np.dtype(dtype)))
        left -= events
    stream, events = stream_of(batches)
    for place in range(len(stream), 0, -20):
        stream.insert(place, b"no message of a detector")
    # The small images have few spots.
    looks = {"quick": {"type": "infer", "engine": "threshold"},
             "hits": {"type": "find_peaks", "min_num_peak": 30}}
    settings = {"engine": "threshold", "output": output, "threshold": {"min_intensity": 60}}
    cpu, gpu = on_both(
        tmp_path, stream, settings, {"batch_size": batch_size, "buffers": 3},
        edges="socket -> decode -> quick -> hits -> q1 -> infer -> q2 -> peaks -> cxi", **looks)
    check_maps(cpu, gpu)
    assert gpu.peaks == cpu.peaks and sum(gpu.peaks.values()) > 1003
    assert gpu.report["events"] == cpu.report["events"]
    vetoed = total(gpu.report["events"]["vetoed"])
    assert vetoed > 100 and len(gpu.maps) == len(events) - vetoed > 300
    assert total(gpu.report["messages"]["unreadable"]) == len(stream) - len(batches) > 5


@pytest.mark.parametrize("devices", [[0], [0, 0], "auto"])
def test_order_is_kept_where_it_is_asked_for(tmp_path, devices):
    settings = {"engine": "threshold", "devices": devices, "batch_size": 4}
    report = finished(tmp_path, simulated({"count": 500, "events_per_message": 3}, infer=settings,
                                          peaks={"min_num_peak": 0},
                                          cxi={**IN_ORDER, "events_per_file": 500}))
    assert report["events"]["delivered"] == 500
    [path] = cxi_files(tmp_path)
    with h5py.File(path) as file:
        stamps = file[STAMPS][:]
    assert len(stamps) == 500 and (np.diff(stamps.astype(np.int64)) > 0).all()
    rates = [of["rate"] for of in figures(report)]
    assert len(rates) == (GPUS if devices == "auto" else len(devices))


def test_a_mask_of_the_graph_is_used(tmp_path):
    random = np.random.default_rng(3)
    bad = random.random((2, 60, 70)) < 0.1
    stream, _ = stream_of([detector_images(random, (3, 2, 60, 70), np.dtype("uint16"))] * 20)
    settings = {"engine": "threshold", "mask": write_mask(tmp_path / "mask.h5", bad)}
    check_maps(*on_both(tmp_path, stream, settings, {"batch_size": 7}))


@pytest.mark.parametrize("pad", [{}, {"pad": PAD}], ids=["crop", "crop and pad"])
def test_of_a_crop_the_gpu_makes_what_the_cpu_does(tmp_path, pad):
    random = np.random.default_rng(8)
    bad = random.random((2, 60, 170)) < 0.1
    stream, _ = stream_of([detector_images(random, (n, 2, 60, 170), np.dtype("uint16"))
                           for n in (3, 1, 5)])
    settings = {"engine": "threshold", "mask": write_mask(tmp_path / "mask.h5", bad),
                "crop": {"height": 50, "width": 130, "left": 35}, **pad}
    cpu, gpu = on_both(tmp_path, stream, settings, {"batch_size": 4})
    check_maps(cpu, gpu)
    assert node(gpu.report, "infer")["counters"]["images"] == 18


def test_10000_micro_batches_need_no_allocation_and_no_more_memory(tmp_path):
    report = finished(tmp_path, simulated(
        {"count": 40_000, "shape": [176, 192], "dtype": "uint16", "preload": 32,
         "events_per_message": 4},
        "source -> q1 -> infer -> end", q1={"capacity": 16}, end={"type": "null_sink"},
        infer={"engine": "none", "devices": [0], "batch_size": 4, "buffers": 4}))
    [of] = figures(report)
    assert of["micro-batches"] >= 10_000
    assert of["last allocation at micro-batch"] <= 100
    assert of["H2D"] / of["D2H"] == pytest.approx(16)  # bits a pixel that go up, and that come down


# ---------------------------------------------------------------- with a network

@pytest.fixture(scope="module")
def torch():
    import torch
    return torch


@pytest.fixture(scope="module")
def network(torch, tmp_path_factory):
    """A small convolution, as a TorchScript file and as plain PyTorch."""
    torch.manual_seed(5)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 5, padding=2), torch.nn.GELU(),
                                 torch.nn.Conv2d(8, 2, 3, padding=1)).eval()
    path = tmp_path_factory.mktemp("models") / "small.pt"
    torch.jit.script(module).save(str(path))
    return module, str(path)


@needs_libtorch
@pytest.mark.parametrize("precision, close", [("float32", 1e-4), ("bfloat16", 0.03),
                                              ("float16", 0.005)])
def test_torchscript_gives_what_it_gives_on_the_cpu(tmp_path, network, precision, close):
    random = np.random.default_rng(4)
    batches = [detector_images(random, (events, 60, 70), np.dtype("float32"))
               for events in (3, 1, 7, 5)]
    stream, events = stream_of(batches)
    settings = {"engine": "torchscript", "weights": network[1], "pad": PAD, "logits": True}
    cpu, gpu = on_both(tmp_path, stream, settings, {"precision": precision, "batch_size": 4})
    assert sorted(gpu.maps) == sorted(cpu.maps) == list(range(len(events)))
    for event, logits in cpu.logits.items():
        scale = np.abs(logits).max()
        np.testing.assert_allclose(gpu.logits[event], logits, atol=close * scale, rtol=0)
        difference = gpu.logits[event][1] - gpu.logits[event][0]
        np.testing.assert_array_equal(gpu.maps[event], difference > 0)


@needs_libtorch
@pytest.mark.parametrize("normalize", ["none", "instance", "instance_padded", "photons",
                                       "anscombe"])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_what_a_network_sees_is_what_numpy_makes_of_the_pixels(tmp_path, torch, normalize, dtype):
    class Echo(torch.nn.Module):
        def forward(self, x):
            return torch.cat([torch.zeros_like(x), x], 1)

    echo = tmp_path / "echo.pt"
    torch.jit.script(Echo().eval()).save(str(echo))
    random = np.random.default_rng(6)
    bad = random.random((2, 70, 150)) < 0.05
    stream, events = stream_of([detector_images(random, (n, 2, 70, 150), np.dtype(dtype))
                                for n in (3, 1, 4)])
    result = infer(tmp_path, stream, {
        "engine": "torchscript", "weights": str(echo), "devices": [0], "batch_size": 5,
        "logits": True, "normalize": normalize, "crop": {"height": 61, "width": 133, "top": 9},
        "pad": PAD, "mask": write_mask(tmp_path / "mask.h5", bad),
        **({"adu_per_photon": ADU_PER_PHOTON} if normalize in PHOTONS else {})})
    seen = (slice(9, 70), slice(8, 141))
    for number, event in enumerate(events):
        found = result.logits[number][1].reshape(2, 70, 150)
        for panel, mask, stored in zip(event, bad, found, strict=True):
            wanted, inside = prepared(panel[seen], mask[seen], normalize, PAD)
            wanted = wanted[inside].astype(np.float64)
            error = np.abs(stored[seen] - wanted)
            assert (error <= 1e-5 * np.maximum(1, np.abs(wanted))).all()


@needs_libtorch
def test_a_model_that_does_not_fit_is_refused_with_both_sides(tmp_path, torch):
    three = tmp_path / "three.pt"
    torch.jit.script(torch.nn.Conv2d(1, 3, 3, padding=1)).save(str(three))
    corrupt = tmp_path / "corrupt.pt"
    corrupt.write_bytes(three.read_bytes()[:500])
    for path, text in ((three, "gives (1, 3, 96, 160), not logits (1, 2, 96, 160)"),
                       (corrupt, "is not a TorchScript file"),
                       (tmp_path / "absent.pt", "there is no model file")):
        with Run(tmp_path, simulated({}, infer={
                "engine": "torchscript", "weights": str(path), "devices": [0], "pad": PAD})) as run:
            assert run.wait() == 1
        assert text in run.output, run.output


def normalized(image: np.ndarray) -> np.ndarray:
    return (image - image.mean(dtype=np.float64)) / np.sqrt(image.var(dtype=np.float64) + 1e-5)


def differences(logits) -> np.ndarray:
    return np.asarray(logits[1], np.float64) - np.asarray(logits[0], np.float64)


def judged(torch, weights) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two simulated images, and what PyTorch says of them in float32: differences of the logits of
    the TorchScript file."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from simulated_image import simulated_image
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    model = torch.jit.load(str(weights), "cuda").eval()
    images = [simulated_image(1920, 1920, event).astype(np.float32) for event in (0, 1)]
    with torch.inference_mode():
        wanted = [differences(model(torch.from_numpy(normalized(one))[None, None].float().cuda())
                              [0].cpu().numpy()) for one in images]
    return images, wanted


def check_segmentation(directory, images, wanted, precision, **settings):
    """The maps are PyTorch's where its logits are clear, and agree with their own logits."""
    stream, _ = stream_of([np.stack(images)])
    gpu = infer(directory, stream, {
        "precision": precision, "devices": [0], "batch_size": 2, "logits": True,
        "pad": {"height": 1920, "width": 1920}, **settings})
    for event, difference in enumerate(wanted):
        scale = difference.max() - difference.min()
        found = gpu.maps[event] != 0
        flips = found != (difference > 0)
        assert 0 < found.sum() < found.size / 10
        if precision == "float32":
            assert not flips[np.abs(difference) >= 1e-3 * scale].any()
        else:
            clear = np.abs(difference) > 0.05 * scale
            assert flips[clear].sum() <= 0.001 * clear.sum()
        np.testing.assert_array_equal(found, differences(gpu.logits[event]) > 0)
        print(f"{precision}: {flips.sum()} of {flips.size} pixels differ, largest difference of "
              f"the logits {np.abs(differences(gpu.logits[event]) - difference).max() / scale:.2e} "
              "of their range")


@pytest.fixture(scope="module", params=["tiny", "base"])
def peaknet(request, torch, tmp_path_factory):
    """A PeakNet as scripts/export_peaknet.py makes it, and what judged() says of it."""
    directory = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, ROOT / "scripts" / "export_peaknet.py", "--size", request.param,
                    "--device", "cuda", "--output", directory, "--formats",
                    "state_dict,torchscript"], check=True)
    stem = directory / f"peaknet_{request.param}"
    return ({"torchscript": f"{stem}.pt", "peaknet": f"{stem}_state.pt"},
            *judged(torch, stem.with_suffix(".pt")))


@needs_libtorch
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("engine", ["torchscript", "peaknet"])
def test_peaknet_gives_the_segmentation_of_pytorch_in_float32(tmp_path, peaknet, engine,
                                                              precision):
    weights, images, wanted = peaknet
    check_segmentation(tmp_path, images, wanted, precision, engine=engine,
                       weights=weights[engine])


def flips_of_pytorch(torch, network, images, wanted) -> int:
    """Of PyTorch's own network in bfloat16."""
    network = network.to("cuda", torch.bfloat16, memory_format=torch.channels_last)
    flips = 0
    with torch.inference_mode():
        for image, difference in zip(images, wanted, strict=True):
            seen = torch.from_numpy(normalized(image))[None, None].cuda().bfloat16()
            logits = network(seen)[0].float().cpu().numpy()
            flips += ((differences(logits) > 0) != (difference > 0)).sum()
    return int(flips)


def test_bfloat16_is_no_further_from_float32_than_pytorchs(tmp_path, torch, peaknet):
    weights, images, wanted = peaknet
    gpu = infer(tmp_path, stream_of([np.stack(images)])[0], {
        "engine": "peaknet", "weights": weights["peaknet"], "precision": "bfloat16",
        "devices": [0], "batch_size": 2, "pad": {"height": 1920, "width": 1920}})
    flips = sum(int(((gpu.maps[event] != 0) != (difference > 0)).sum())
                for event, difference in enumerate(wanted))
    import peaknet as definition  # judged() has put it within reach
    import peaknet_weights
    network = definition.PeakNet(definition.SIZES[Path(weights["peaknet"]).stem.split("_")[1]])
    peaknet_weights.load(network.eval(), torch.load(weights["peaknet"], weights_only=True))
    allowed = flips_of_pytorch(torch, network, images, wanted)
    print(f"bfloat16: {flips} pixels differ from float32, PyTorch's own {allowed}")
    assert flips <= 1.2 * allowed + 10


# Of the largest logit.
NEAR = {"float32": 5e-4, "bfloat16": 0.06, "float16": 0.01}
SHIPPED = {"engine": "peaknet", "weights": str(SHIPPED_WEIGHTS),
           "normalize": "anscombe", "adu_per_photon": ADU_PER_PHOTON, "logits": True}


def check_difference(expected, gpu, event, near):
    """Of the classes' logits, and what is decided where that is clear."""
    found, scale = differences(gpu.logits[event]), np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=near * scale)
    np.testing.assert_array_equal(gpu.maps[event] != 0, found > 0)
    clear = np.abs(expected) > near * scale
    np.testing.assert_array_equal((gpu.maps[event] != 0)[clear], (expected > 0)[clear])


def check_logits(cpu, gpu, near):
    assert sorted(gpu.maps) == sorted(cpu.maps)
    for event in cpu.maps:
        check_difference(differences(cpu.logits[event]), gpu, event, near)


@needs_libtorch
@pytest.mark.parametrize("precision, batch_size", [
    ("float32", 1), ("float32", 3), ("float32", 16), ("bfloat16", 4), ("float16", 4)])
def test_peaknet_finds_in_images_of_any_size_what_the_cpu_finds(tmp_path, precision, batch_size):
    """Micro-batches that are not full, of panels of several sizes, one of them larger than the
    kernels' tiles and odd in both directions."""
    random = np.random.default_rng(batch_size)
    shapes = [(3, 2, 176, 192), (1, 1, 1), (5, 1, 33, 50), (1, 1, 667, 665), (2, 2, 176, 192)]
    batches = [detector_images(random, shape, np.dtype("uint16")) for shape in shapes]
    cpu, gpu = on_both(tmp_path, stream_of(batches)[0], SHIPPED,
                       {"precision": precision, "batch_size": batch_size})
    assert sorted(cpu.maps) == list(range(12))
    check_logits(cpu, gpu, NEAR[precision])


@pytest.fixture(scope="module")
def panels_on_the_cpu(tmp_path_factory):
    """33 panels of an ePix10k2M, and what the CPU finds in them."""
    stream, _ = stream_of([detector_images(np.random.default_rng(3), (33, 1, 352, 384),
                                           np.dtype("uint16"))])
    return stream, infer(tmp_path_factory.mktemp("cpu"), stream, SHIPPED)


@needs_libtorch
@pytest.mark.parametrize("batch_size", range(1, 17))
def test_peaknets_micro_batches_of_any_size_in_two_runs(tmp_path, panels_on_the_cpu, batch_size):
    """Full ones and the last one, which is not; the second run has the same bits."""
    stream, cpu = panels_on_the_cpu
    runs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        runs.append(infer(tmp_path / name, stream, {
            **SHIPPED, "devices": [0], "precision": "bfloat16", "batch_size": batch_size}))
    check_logits(cpu, runs[0], NEAR["bfloat16"])
    for event, logits in runs[0].logits.items():
        np.testing.assert_array_equal(runs[1].logits[event], logits)
        np.testing.assert_array_equal(runs[1].maps[event], runs[0].maps[event])


@pytest.fixture(scope="module")
def large_odd_images(torch):
    """Two of 1667x1665 pixels, and what PyTorch says in float64: in float32 its GroupNorm, on the
    CPU and of so many pixels, leaves the logits up to 5e-4 of their range to err."""
    network = shipped_network().double().cuda()
    images = detector_images(np.random.default_rng(7), (2, 1, 1667, 1665), np.dtype("uint16"))
    seen = [prepared(image, np.zeros(image.shape, bool), "anscombe", None)[0]
            for image in images[:, 0]]
    return images, [differences(logits_of(torch, network, image)) for image in seen]


@needs_libtorch
@pytest.mark.parametrize("precision, near", [("float32", 2e-5), ("bfloat16", NEAR["bfloat16"])])
def test_peaknet_pads_a_large_image_of_odd_sides(tmp_path, large_odd_images, precision, near):
    images, wanted = large_odd_images
    gpu = infer(tmp_path, stream_of([images])[0],
                {**SHIPPED, "devices": [0], "precision": precision, "batch_size": 2})
    for event, expected in enumerate(wanted):
        check_difference(expected, gpu, event, near)


@needs_libtorch
@pytest.mark.parametrize("engine", ["peaknet", "torchscript"])
def test_what_float16_cannot_hold_fails_the_event(tmp_path, torch, engine):
    """A network whose activations exceed 65504 on the way, or whose logits do."""
    path = tmp_path / "large"
    if engine == "peaknet":
        from safetensors.torch import load_file
        weights = load_file(SHIPPED["weights"])
        weights["backbone.encoder.stages.0.layers.0.pwconv2.weight"] *= 1e7
        torch.save(weights, path)
    else:
        module = torch.nn.Conv2d(1, 2, 1)
        torch.nn.init.constant_(module.weight, 60000)
        torch.jit.script(module).save(str(path))
    images = detector_images(np.random.default_rng(5), (5, 2, 64, 96), np.dtype("uint16"))
    for precision in ("float16", "bfloat16"):
        (tmp_path / precision).mkdir()
        result = infer(tmp_path / precision, stream_of([images])[0], {
            **SHIPPED, "engine": engine, "weights": str(path), "devices": [0], "batch_size": 4,
            "precision": precision})
        failed = {"logits not finite": 5} if precision == "float16" else {}
        assert result.report["events"]["failed"] == failed


@needs_libtorch
@pytest.mark.skipif(EXPORTED is None, reason="compiling takes minutes; scripts/gpu-check.sh does it")
def test_an_aoti_package_gives_the_segmentation_of_pytorch_in_float32(tmp_path, torch):
    images, wanted = judged(torch, EXPORTED / "peaknet_base.pt")
    check_segmentation(tmp_path, images, wanted, "bfloat16", engine="aoti",
                       weights=str(EXPORTED / "peaknet_base_cuda_bfloat16.pt2"))


@needs_libtorch
@pytest.mark.skipif(EXPORTED is None, reason="compiling takes minutes; scripts/gpu-check.sh does it")
@pytest.mark.parametrize("changes, text", [
    ({"AOTI_COMPUTE_CAPABILITY": "70"}, "is for compute capability 70, and here it is "),
    ({"AOTI_DEVICE_KEY": "cpu"}, "is for device cpu, and here it is cuda"),
])
def test_an_aoti_package_for_another_device_is_refused(tmp_path, changes, text):
    package = with_metadata(EXPORTED / "peaknet_base_cuda_bfloat16.pt2", tmp_path / "other.pt2",
                            **changes)
    with Run(tmp_path, simulated({}, infer={
            "engine": "aoti", "weights": str(package), "precision": "bfloat16", "devices": [0],
            "pad": {"height": 1920, "width": 1920}})) as run:
        assert run.wait() == 1
    assert text in run.output, run.output
    assert not cxi_files(tmp_path)


# ---------------------------------------------------------------- faults

def faulty(devices, **infer_settings) -> dict:
    return simulated({"count": 1000, "shape": [60, 70], "events_per_message": 2},
                     infer={"engine": "torchscript", "weights": "x", "devices": devices,
                            "batch_size": 2, "max_wait": "1 ms", **infer_settings},
                     cxi={"events_per_file": 10}, plugins=[str(FAULTY)])


def test_a_gpu_that_fails_ends_the_run_and_the_books_add_up(tmp_path):
    with Run(tmp_path, faulty([0]), env={"PNFLOW_TEST_FAULT_AT": "50"}) as run:
        report = run.finish(status=1)
    assert "infer: device 0" in run.output and "illegal memory access" in run.output
    assert report["events"]["failed"]["device error"] >= 1
    files = cxi_files(tmp_path)
    assert files
    events = 0
    for path in files:
        with h5py.File(path) as file:
            events += len(file["/entry_1/result_1/nPeaks"])
    assert events == report["events"]["delivered"] > 0


@pytest.mark.skipif(GPUS < 2, reason="there is one GPU only")
def test_the_run_goes_on_with_the_other_gpu(tmp_path):
    topology = faulty([0, 1], on_device_error="continue")
    with Run(tmp_path, topology, env={"PNFLOW_TEST_FAULT_AT": "50"}) as run:
        report = run.finish()
    assert "goes on with 1 of 2 pipelines" in run.output
    assert 1 <= total(report["events"]["failed"]) <= 10
    assert report["events"]["decoded"] == 1000


def test_too_little_memory_is_said_at_the_start_with_what_fits(tmp_path):
    pad = {"height": 8192, "width": 8192}
    with Run(tmp_path, simulated({}, infer={"engine": "none", "devices": [0], "batch_size": 4096,
                                            "buffers": 8, "pad": pad})) as run:
        assert run.wait() == 1
    assert "'batch_size' of 4096 images of 8192x8192 is too large" in run.output
    assert " fit" in run.output


def test_a_gpu_that_is_not_there_is_named(tmp_path):
    with Run(tmp_path, simulated({}, infer={"engine": "none", "devices": [99]})) as run:
        assert run.wait() == 1
    assert "infer: there is no GPU 99" in run.output
