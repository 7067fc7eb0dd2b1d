"""infer's engine peaknet, which builds the network from its weights, against PyTorch in Python."""

import collections
import json
import struct
import subprocess

import numpy as np
import pytest

from chains import simulated
from gpus import gpus
from inference import (SHIPPED_WEIGHTS, detector_images, infer, logits_of, prepared, shipped_network,
                       stream_of)
from support import ROOT, Run, binary, needs_libtorch

pytestmark = needs_libtorch


@pytest.fixture(scope="module")
def peaknet(torch):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        import peaknet
        import peaknet_weights  # noqa: F401, while the path is there
    return peaknet


@pytest.fixture(scope="module")
def networks(torch, peaknet, tmp_path_factory):
    """By name: (file of weights, network in PyTorch)."""
    import peaknet_weights
    directory = tmp_path_factory.mktemp("weights")
    made = {"shipped": (SHIPPED_WEIGHTS, shipped_network())}
    configs = {
        "tiny": peaknet.SIZES["tiny"],
        "odd": peaknet.PeakNetConfig((8, 24, 20, 12), (1, 2, 1, 3), 3, 12, 96, False, 3),
        "eights": peaknet.PeakNetConfig((8, 24, 40, 16), (1, 2, 1, 3), 3, 24, 96, False, 3),
    }
    for name, config in configs.items():
        path = directory / f"{name}.safetensors"
        made[name] = (path, peaknet_weights.random_network(config, seed=3))
        peaknet_weights.save(made[name][1], path)
    return made


def check_logits(torch, network, event, logits, segmap, normalize="none"):
    """Of all panels of an event, bit by bit."""
    panels = event.reshape(-1, *event.shape[-2:])
    wanted = []
    for panel in panels:
        seen, _ = prepared(panel, np.zeros(panel.shape, bool), normalize, None)
        wanted.append(logits_of(torch, network, seen))
    np.testing.assert_array_equal(logits, np.concatenate(wanted, axis=1))
    np.testing.assert_array_equal(segmap, logits[1] > logits[0])


# ---------------------------------------------------------------- maps and logits

@pytest.mark.parametrize("name, shape", [
    ("shipped", (1, 352, 384)), ("shipped", (3, 33, 50)), ("shipped", (2, 176, 192)),
    ("tiny", (1, 352, 384)), ("tiny", (3, 33, 50)), ("tiny", (2, 20, 100)), ("tiny", (1, 100, 7)),
    ("odd", (2, 48, 72)), ("odd", (1, 33, 50)), ("odd", (1, 24, 25))])
def test_logits_are_pytorchs_to_the_last_bit(tmp_path, torch, networks, name, shape):
    path, network = networks[name]
    random = np.random.default_rng(len(name) + shape[1])
    images = [random.poisson(0.4, (events, *shape)).astype(np.float32) for events in (2, 1)]
    for batch in images:
        batch[random.random(batch.shape) < 0.01] *= 40
    stream, events = stream_of(images)
    settings = {"engine": "peaknet", "weights": str(path), "normalize": "none", "logits": True}
    result = infer(tmp_path, stream, settings)
    assert len(result.logits) == len(events) == 3
    for number, event in enumerate(events):
        check_logits(torch, network, event, result.logits[number], result.maps[number])


@pytest.mark.parametrize("batch_size, threads", [(3, 1), (16, 2)])
def test_micro_batches_are_pytorchs_too(tmp_path, torch, networks, batch_size, threads):
    """Rounding may depend on how many images there are at once and on who adds what."""
    path, network = networks["tiny"]
    stream, events = stream_of([detector_images(np.random.default_rng(n), (n, 2, 60, 70),
                                                np.dtype("uint16")) for n in (4, 3)])
    result = infer(tmp_path, stream, {
        "engine": "peaknet", "weights": str(path), "logits": True, "batch_size": batch_size,
        "threads": threads, "normalize": "instance",
        "pad": {"height": 64, "width": 96, "style": "center"}})
    assert sorted(result.logits) == list(range(7))
    for number, event in enumerate(events):
        for panel, logits, segmap in zip(
                event, np.split(result.logits[number], 2, axis=1),
                np.split(result.maps[number], 2), strict=True):
            seen, inside = prepared(panel, np.zeros(panel.shape, bool), "instance",
                                    {"height": 64, "width": 96, "style": "center"})
            wanted = logits_of(torch, network, seen)[(slice(None), *inside)]
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-5 * scale)
            np.testing.assert_array_equal(segmap, logits[1] > logits[0])


@pytest.mark.parametrize("precision, digits", [("bfloat16", 0.05), ("float16", 0.01)])
def test_other_precisions_are_near(tmp_path, torch, networks, precision, digits):
    path, network = networks["shipped"]
    images = np.random.default_rng(4).poisson(0.4, (1, 1, 60, 70)).astype(np.float32)
    result = infer(tmp_path, stream_of([images])[0], {
        "engine": "peaknet", "weights": str(path), "logits": True, "normalize": "none",
        "precision": precision})
    wanted = logits_of(torch, network, images[0, 0])
    assert np.abs(result.logits[0] - wanted).max() < digits * np.abs(wanted).max()


def test_an_image_of_one_pixel_is_padded(tmp_path, torch, networks):
    """Its deepest level has one pixel, which LibTorch multiplies in another order."""
    path, network = networks["tiny"]
    stream, events = stream_of([np.full((1, 1, 1), 3, np.float32)])
    result = infer(tmp_path, stream, {"engine": "peaknet", "weights": str(path), "logits": True,
                                      "normalize": "none"})
    np.testing.assert_allclose(result.logits[0], logits_of(torch, network, events[0]), atol=1e-4)


# ---------------------------------------------------------------- part by part

def parts_of(torch, network, images):
    """What PyTorch's modules give, by the names that pnflow gives the same."""
    watched = ["backbone.embeddings", "head_segmask", "head_upsample_layer"]
    for name, module in network.named_modules():
        if name.rpartition(".")[0] in ("backbone_to_bifpn", "bifpn.blocks", "seg_lateral_layers",
                                       "backbone.hidden_states_norms"):
            watched.append(name)
        elif type(module).__name__ == "ConvNextBlock":
            watched.append(name)
    outputs = {}

    def watch(name):
        def hook(_module, _inputs, output):
            several = {name: output} if isinstance(output, torch.Tensor) else {
                f"{name}.{level}": one for level, one in enumerate(output)}
            outputs.update({key: value.contiguous().clone() for key, value in several.items()})
        return hook

    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_hook(watch(name)) for name in watched
             if modules.get(name) is not None]
    with torch.inference_mode():
        outputs["logits"] = network(images).contiguous()
    for hook in hooks:
        hook.remove()
    return outputs


def compared(torch, tmp_path, weights, outputs, program, *arguments):
    """(part, largest difference, largest value), in the order of the network."""
    from safetensors.torch import save_file
    save_file(outputs, tmp_path / "expected.safetensors")
    done = subprocess.run([binary().resolve().parent / program, weights,
                           tmp_path / "expected.safetensors", *arguments],
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(part, float(difference), float(largest)) for part, difference, largest in rows]


@pytest.mark.parametrize("name, shape", [("shipped", (1, 1, 352, 384)), ("tiny", (2, 1, 96, 160)),
                                         ("odd", (1, 1, 48, 72))])
def test_every_part_is_pytorchs_to_the_last_bit(tmp_path, torch, networks, name, shape):
    path, network = networks[name]
    images = torch.from_numpy(np.random.default_rng(9).poisson(0.5, shape).astype(np.float32))
    outputs = parts_of(torch, network, images)
    rows = compared(torch, tmp_path, path, {"images": images, **outputs}, "pnflow_peaknet_parts")
    assert sorted(part for part, *_ in rows) == sorted(outputs)
    for part, difference, largest in rows:
        assert difference == 0 and largest > 0, (part, difference, largest)


# Of a part's largest value. float32: sums in another order, some 1e-6. The others round activations
# and weights to 8 and 11 bits, which adds up over some dozens of layers.
NEAR = {"float32": 1e-5, "bfloat16": 0.06, "bfloat16-half": 0.06, "float16": 0.01,
        "float16-half": 0.01}
# In float32: behind a GroupNorm of values that differ little they are up to 1.2e-4, in PyTorch on a
# GPU as well.
NEAR_LOGITS = 5e-4


@pytest.mark.skipif(not gpus(), reason="there is no GPU")
@pytest.mark.parametrize("precision", NEAR)
@pytest.mark.parametrize("name, shape", [
    ("shipped", (1, 352, 384)), ("shipped", (3, 33, 50)), ("tiny", (2, 96, 192)),
    ("tiny", (1, 1, 1)), ("eights", (2, 48, 70))])
def test_every_part_is_near_pytorchs_on_a_gpu(tmp_path, torch, networks, name, shape, precision):
    path, network = networks[name]
    events, height, width = shape
    images = torch.from_numpy(np.random.default_rng(9).poisson(
        0.5, (events, 1, height, width)).astype(np.float32))
    stride = 8 * network.patch_size
    padded = torch.nn.functional.pad(images, (0, -width % stride, 0, -height % stride))
    outputs = parts_of(torch, network, padded)
    outputs["logits"] = outputs["logits"][..., :height, :width].contiguous()
    rows = compared(torch, tmp_path, path, {"images": images, **outputs},
                    "pnflow_peaknet_gpu_parts", precision)
    told = [part for part, *_ in rows]
    # The others exist only within its kernels.
    inner = ("backbone.hidden_states_norms", "seg_lateral_layers", "head_")
    assert sorted(told) == sorted(part for part in outputs if not part.startswith(inner))
    for part, difference, largest in rows:
        near = max(NEAR[precision], NEAR_LOGITS if part == "logits" else 0)
        assert difference <= near * largest, (part, difference, largest)


@pytest.mark.skipif(not gpus(), reason="there is no GPU")
def test_channels_that_the_kernels_cannot_have_are_refused_on_a_gpu(tmp_path, networks):
    path, _ = networks["odd"]
    with Run(tmp_path, simulated({}, infer={"engine": "peaknet", "weights": str(path),
                                            "devices": [0]})) as run:
        assert run.wait() == 1
    assert "channels are multiples of 8 up to 3072, and 20 is not" in run.output, run.output


# ---------------------------------------------------------------- files of weights

def as_state(network):
    return network.state_dict()


def as_plain(network):
    return dict(network.state_dict())


def as_checkpoint(network):
    """As a training leaves it, behind wrappers, with an optimiser's state."""
    import torch
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    state = collections.OrderedDict((f"module._orig_mod.{name}", value)
                                    for name, value in network.state_dict().items())
    return {"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "loss": 0.25,
            "best": None, "sizes": [(1, 2), -3, 10 ** 30, True], "note": "é"}


def as_twice_nested(network):
    return {"model_state": {"state_dict": network.state_dict()}}


def as_parameters(network):
    """Parameters, and tensors whose values stand in another order."""
    import torch
    named = dict(network.named_parameters()) | dict(network.named_buffers())
    for name, value in named.items():
        if value.dim() == 4:
            named[name] = value.detach().contiguous(memory_format=torch.channels_last)
        elif value.dim() == 2 and "pwconv" in name:
            named[name] = value.detach().t().contiguous().t()
    return named


@pytest.mark.parametrize("made", [as_state, as_plain, as_checkpoint, as_twice_nested,
                                  as_parameters])
def test_what_torch_save_writes_is_read_as_safetensors_are(tmp_path, torch, networks, made):
    safetensors, network = networks["tiny"]
    path = tmp_path / "weights.pt"
    torch.save(made(network), path)
    check_same(tmp_path, safetensors, path)


def test_tensors_that_share_a_storage_are_read_as_their_parts(tmp_path, torch, networks):
    """The weights are written in one piece."""
    safetensors, network = networks["tiny"]
    state = network.state_dict()
    floats = {name: value for name, value in state.items() if value.dtype == torch.float32}
    whole = torch.cat([value.flatten() for value in floats.values()])
    parts = whole.split([value.numel() for value in floats.values()])
    for (name, value), part in zip(floats.items(), parts, strict=True):
        state[name] = part.view(value.shape)
    torch.save(state, tmp_path / "whole.pt")
    assert (tmp_path / "whole.pt").stat().st_size < 1.2 * safetensors.stat().st_size
    check_same(tmp_path, safetensors, tmp_path / "whole.pt")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_of_other_types_are_read(tmp_path, torch, networks, dtype, suffix):
    """Those that are in float32 are what they are in the other type."""
    from safetensors.torch import save_file
    _, network = networks["tiny"]
    as_dtype = {name: value.to(getattr(torch, dtype)) if value.is_floating_point() else value
                for name, value in network.state_dict().items()}
    in_float32 = {name: value.float() if value.is_floating_point() else value
                  for name, value in as_dtype.items()}
    save_file(in_float32, tmp_path / "float32.safetensors")
    path = tmp_path / f"{dtype}.{suffix}"
    torch.save(as_dtype, path) if suffix == "pt" else save_file(as_dtype, path)
    check_same(tmp_path, tmp_path / "float32.safetensors", path)


def check_same(directory, *files):
    images = np.random.default_rng(6).poisson(1, (1, 40, 56)).astype(np.float32)
    logits = []
    for number, file in enumerate(files):
        place = directory / str(number)
        place.mkdir()
        result = infer(place, stream_of([images])[0], {
            "engine": "peaknet", "weights": str(file), "logits": True, "normalize": "none"})
        logits.append(result.logits[0])
    assert np.ptp(logits[0]) > 1e-3
    for other in logits[1:]:
        np.testing.assert_array_equal(other, logits[0])


# ---------------------------------------------------------------- refused

def refused(directory, path, *texts):
    topology = simulated({}, infer={"engine": "peaknet", "weights": str(path)})
    with Run(directory, topology) as run:
        assert run.wait() == 1
    for text in texts:
        assert text in run.output, run.output


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_each_tensor_that_does_not_fit_is_named(tmp_path, torch, networks, suffix):
    from safetensors.torch import save_file
    state = dict(networks["tiny"][1].state_dict())
    del state["head_segmask.bias"]
    state["backbone_to_bifpn.2.weight"] = torch.zeros(32, 60, 1, 1)
    state["bifpn.blocks.1.w_m"] = torch.zeros(3, 2, dtype=torch.int64)
    state["extra"] = torch.zeros(7)
    state["head_segmask.weight"] = torch.full_like(state["head_segmask.weight"], torch.nan)
    path = tmp_path / f"wrong.{suffix}"
    torch.save(state, path) if suffix == "pt" else save_file(state, path)
    refused(tmp_path, path, "missing: head_segmask.bias, 2",
            "backbone_to_bifpn.2.weight is 32x60x1x1, and 32x64x1x1 is expected",
            "bifpn.blocks.1.w_m is of I64, and F32, F16, BF16 or F64 is expected",
            "head_segmask.weight has values that are NaN or infinite",
            "superfluous: extra, 7", "wrong." + suffix)


def test_files_of_something_else_are_refused_by_what_they_are(tmp_path, torch, networks):
    path, network = networks["tiny"]

    def written(name, content):
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        else:
            torch.save(content, tmp_path / name)
        return tmp_path / name

    torch.save(network.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    whole = written("whole.pt", network.state_dict()).read_bytes()
    safetensors = path.read_bytes()
    refused(tmp_path, tmp_path / "absent.pt", "there is no model file")
    refused(tmp_path, ROOT / "models" / "peaknet_small.pt", "it is a whole model, TorchScript")
    refused(tmp_path, tmp_path / "old.pt", "format that torch.save had before PyTorch 1.6")
    refused(tmp_path, written("module.pt", torch.nn.Linear(2, 3)),
            'it has an object "torch.nn.modules.linear.Linear", and only tensors are read')
    refused(tmp_path, written("numbers.pt", {"model": [1, 2]}), "its entry \"model\" is no tensor")
    refused(tmp_path, written("other.pt", {"weight": torch.zeros(3)}),
            "has no weights of a PeakNet: nothing tells the channels of stage 0")
    refused(tmp_path, written("cut.pt", whole[:-2000]), "is no archive of torch.save")
    refused(tmp_path, written("cut.safetensors", safetensors[:-1]), "cut.safetensors' is no",
            "bytes")
    refused(tmp_path, written("empty.safetensors", b""), "it has 0 bytes")
    header = json.dumps({"head_segmask.bias": {"dtype": "F32", "shape": [2],
                                               "data_offsets": [0, 8]}}).encode()
    refused(tmp_path, written("one.safetensors",
                              struct.pack("<Q", len(header)) + header + bytes(8)),
            "has no weights of a PeakNet")


def test_no_code_in_a_file_is_run(tmp_path, torch):
    class Evil:
        def __reduce__(self):
            import os
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save({"model": Evil()}, tmp_path / "evil.pt")
    refused(tmp_path, tmp_path / "evil.pt", 'it has an object "posix.mkdir"')
    assert not (tmp_path / "made").exists()


# ---------------------------------------------------------------- beside TorchScript

def test_peaks_are_those_of_the_engine_torchscript(tmp_path):
    """On the same photons, behind the whole chain; maps may differ where classes are all but
    equal."""
    random = np.random.default_rng(17)
    y, x = np.mgrid[:176, :192]
    batches = []
    for events in (2, 1):
        photons = np.full((events, 2, 176, 192), 0.2)
        for panel in photons.reshape(-1, 176, 192):
            for _ in range(8):
                row, column = random.uniform(5, 170), random.uniform(5, 186)
                panel += random.uniform(10, 200) * np.exp(
                    -((y - row) ** 2 + (x - column) ** 2) / 0.9)
        batches.append(np.rint(9.5 * random.poisson(photons)).astype(np.int16))
    stream, _ = stream_of(batches)
    results = []
    for engine, file in (("torchscript", "peaknet_small.pt"), ("peaknet", SHIPPED_WEIGHTS.name)):
        directory = tmp_path / engine
        directory.mkdir()
        results.append(infer(directory, stream, {
            "engine": engine, "weights": str(ROOT / "models" / file), "normalize": "anscombe",
            "adu_per_photon": 9.5}))
    theirs, ours = results
    assert ours.peaks == theirs.peaks and sum(ours.peaks.values()) >= 40
    for number, segmap in ours.maps.items():
        assert (segmap != theirs.maps[number]).sum() <= 1
