"""scripts/export_peaknet.py: the network against its description, its files against PyTorch."""

import os
import sys

import numpy as np
import pytest

from chains import recorded
from cxi import cxi_files, events_of
from support import ROOT, finished

slow = pytest.mark.skipif(os.environ.get("PNFLOW_SLOW_TESTS") != "1",
                          reason="compiles for a minute or more; PNFLOW_SLOW_TESTS=1 runs it")


@pytest.fixture(scope="module")
def scripts(torch):
    """The modules of scripts/, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        import export_peaknet  # noqa: F401 - brings the others
        import peaknet_weights  # noqa: F401
        yield sys.modules


@pytest.fixture(scope="module")
def image(scripts):
    """What sim_source would show on a detector of this size."""
    return scripts["simulated_image"].simulated_image(640, 704)


@pytest.fixture(scope="module")
def tiny(scripts, image, tmp_path_factory):
    """The directory to which the tiny network is exported."""
    directory = tmp_path_factory.mktemp("tiny")
    np.save(directory / "image.npy", image)
    status = scripts["export_peaknet"].main(
        ["--size", "tiny", "--seed", "7", "--output", str(directory), "--formats",
         "state_dict,torchscript", "--image", str(directory / "image.npy"),
         "--images", str(directory / "image.npy"), "--reference", str(directory / "reference.npz")])
    assert status == 0
    return directory


@pytest.fixture(scope="module")
def network(torch, scripts, tiny):
    """The tiny network as its state dict gives it."""
    module = scripts["peaknet"].PeakNet(scripts["peaknet"].SIZES["tiny"]).eval()
    module.load_state_dict(torch.load(tiny / "peaknet_tiny_state.pt", weights_only=True))
    return module


# ---------------------------------------------------------------- the architecture

@pytest.mark.parametrize("size, image_size, parameters, gflop", [
    ("base", 1920, 33.16, 1288), ("large", 1696, 673.01, 14602)])
def test_the_published_sizes_have_their_parameters_and_work(torch, scripts, size, image_size,
                                                            parameters, gflop):
    from torch.utils.flop_counter import FlopCounterMode
    with torch.device("meta"):
        network = scripts["peaknet"].PeakNet(scripts["peaknet"].SIZES[size])
        images = torch.empty(1, 1, image_size, image_size)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == parameters
    with FlopCounterMode(display=False) as counter:
        assert network(images).shape == (1, 2, image_size, image_size)
    assert round(counter.get_total_flops() / 1e9) == gflop


def described(sizes, depths, blocks, learned_upsampling):
    """The names in a state dict, written out from the published description."""
    def both(name):
        return {f"{name}.weight", f"{name}.bias"}

    names = both("backbone.embeddings.patch_embeddings") | both("backbone.embeddings.layernorm")
    for s, depth in enumerate(depths):
        stage = f"backbone.encoder.stages.{s}"
        if s > 0:
            names |= both(f"{stage}.downsampling_layer.0") | both(f"{stage}.downsampling_layer.1")
        for layer in range(depth):
            for part in ("dwconv", "layernorm", "pwconv1", "grn", "pwconv2"):
                names |= both(f"{stage}.layers.{layer}.{part}")
        names |= both(f"backbone.hidden_states_norms.stage{s + 1}") | both(f"backbone_to_bifpn.{s}")
    for block in range(blocks):
        prefix = f"bifpn.blocks.{block}"
        names |= {f"{prefix}.w_m", f"{prefix}.w_q", f"{prefix}.w_q_mask"}
        for conv in ("m2", "m3", "m4", "q3", "q4", "q5"):
            names |= {f"{prefix}.conv.{conv}.0.depthwise_conv.weight",
                      f"{prefix}.conv.{conv}.0.pointwise_conv.weight"}
            names |= both(f"{prefix}.conv.{conv}.1")
    for level, layers in enumerate((1, 1, 2, 3)):
        for layer in range(layers):
            prefix = f"seg_lateral_layers.{level}.layers.{layer}"
            names |= both(f"{prefix}.0") | both(f"{prefix}.1")
    names |= both("head_segmask")
    return names | both("head_upsample_layer.0") if learned_upsampling else names


@pytest.mark.parametrize("size, description", [
    ("base", ([96, 192, 384, 768], [3, 3, 9, 3], 2, False)),
    ("large", ([352, 704, 1408, 2816], [3, 3, 27, 3], 4, True))])
def test_the_state_dict_has_the_published_names(torch, scripts, size, description):
    with torch.device("meta"):
        network = scripts["peaknet"].PeakNet(scripts["peaknet"].SIZES[size])
    state = network.state_dict()
    assert set(state) == described(*description)
    sizes = description[0]
    assert state["backbone.embeddings.patch_embeddings.weight"].shape == (sizes[0], 1, 4, 4)
    assert state["backbone.encoder.stages.3.layers.0.grn.weight"].shape == (1, 1, 1, 4 * sizes[3])
    assert state["bifpn.blocks.0.w_m"].shape == (3, 2)
    assert state["bifpn.blocks.0.w_q"].shape == (3, 3)
    assert state["bifpn.blocks.0.w_q_mask"].dtype == torch.bool


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_the_backbone_is_that_of_transformers(scripts, size):
    pytest.importorskip("transformers")
    network = scripts["peaknet_weights"].random_network(scripts["peaknet"].SIZES[size], 3)
    assert scripts["export_peaknet"].check_backbone(network, scripts["peaknet"].SIZES[size])


# ---------------------------------------------------------------- random weights

def test_the_simulated_image_is_that_of_sim_source(scripts, tmp_path):
    finished(tmp_path, recorded({"shape": [96, 416], "count": 2, "peaks": 60, "seed": 5}))
    shown = [event.image for event in events_of(*cxi_files(tmp_path))]
    assert len(shown) == 2
    for number, image in enumerate(shown):
        own = scripts["simulated_image"].simulated_image(96, 416, number, seed=5)
        np.testing.assert_array_equal(own, image)


def test_random_weights_give_components_of_both_classes(torch, scripts, tiny, image, network):
    with np.load(tiny / "reference.npz") as reference:
        logits, seen = reference["logits"], reference["input"]
        np.testing.assert_array_equal(reference["images"], image[None])
    mask = logits[0, 1] > logits[0, 0]
    assert 50 <= scripts["peaknet_weights"].components(mask) <= 300
    assert 1e-4 < mask.mean() < 0.5
    normal = (image - image.mean()) / np.sqrt(image.var() + 1e-5)
    np.testing.assert_allclose(seen[0, 0], normal, rtol=1e-5, atol=1e-6)
    peaks = seen[0, 0] > 0.5 * seen.max()
    assert mask[peaks].mean() > 0.5, "the network does not find the peaks"
    with torch.inference_mode():
        np.testing.assert_allclose(logits, network(torch.from_numpy(seen)), rtol=1e-4, atol=1e-4)


def test_the_same_seed_gives_the_same_weights(torch, scripts):
    config = scripts["peaknet"].SIZES["tiny"]
    first, again, other = (scripts["peaknet_weights"].random_network(config, seed).state_dict()
                           for seed in (5, 5, 6))
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name]), name
        assert tensor.dtype == torch.bool or not torch.equal(tensor, other[name]), name


def test_every_tensor_matters(torch, network, image):
    """The logits change when a bias, a scale, a fusion weight or the mask is taken for trivial,
    or the taps of a convolution for each other's mirror image."""
    pixels = torch.from_numpy(image[:64, :96].astype(np.float32))
    seen = ((pixels - pixels.mean()) / pixels.std())[None, None]
    with torch.inference_mode():
        right = network(seen)
        for name, tensor in network.state_dict().items():
            kept = tensor.clone()
            if tensor.dtype == torch.bool:
                tensor.fill_(True)
            elif tensor.ndim >= 2 and tensor.shape[-1] > 1 and "grn" not in name:
                tensor.copy_(kept.flip(-1))
            else:
                tensor.fill_(0 if name.endswith("bias") or "grn" in name else 1)
            change = (network(seen) - right).abs().max() / right.std()
            tensor.copy_(kept)
            assert change > 0.02, f"{name}: {change}"
        for name, tensor in network.state_dict().items():
            if name.endswith("w_q"):
                kept = tensor.clone()
                assert (kept < 0).sum() == 1
                tensor.copy_(kept.abs())
                assert (network(seen) - right).abs().max() / right.std() > 0.02, f"relu of {name}"
                tensor.copy_(kept)


# ---------------------------------------------------------------- files

@pytest.mark.parametrize("shape", [(1, 1, 96, 160), (3, 1, 96, 160), (1, 1, 224, 64),
                                   (3, 1, 224, 64)])
def test_torchscript_is_pytorch_for_any_batch_and_size(torch, tiny, network, shape):
    module = torch.jit.load(str(tiny / "peaknet_tiny.pt"))
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        logits = module(images)
        assert logits.shape == (shape[0], 2, *shape[2:])
        torch.testing.assert_close(logits, network(images), rtol=1e-4, atol=1e-4)


def test_torchscript_can_be_converted_to_bfloat16(torch, tiny, network):
    module = torch.jit.load(str(tiny / "peaknet_tiny.pt")).to(torch.bfloat16)
    images = torch.randn((1, 1, 64, 64), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        logits, right = module(images.bfloat16()), network(images)
    assert logits.dtype == torch.bfloat16
    assert (logits - right).abs().mean() < 0.05 * right.std()


@slow
@pytest.mark.parametrize("arguments, batches, said", [
    ([], [1, 3, 16], "1-16"), (["--batch", "2"], [2], "2"),
    (["--precision", "bfloat16"], [2], "1-16")])
def test_an_aoti_package_is_pytorch(torch, scripts, tiny, network, tmp_path, arguments, batches,
                                    said):
    status = scripts["export_peaknet"].main(
        ["--size", "tiny", "--weights", str(tiny / "peaknet_tiny_state.pt"), "--formats", "aoti",
         "--output", str(tmp_path), "--image", str(tiny / "image.npy"),
         "--height", "64", "--width", "96", *arguments])
    assert status == 0
    [path] = tmp_path.glob("*.pt2")
    package = torch._inductor.aoti_load_package(str(path))
    metadata = package.loader.get_metadata()
    dtype = torch.bfloat16 if "bfloat16" in arguments else torch.float32
    assert {key: metadata[f"pnflow.{key}"]
            for key in ("precision", "batch", "height", "width", "channels", "classes")} == {
        "precision": str(dtype).removeprefix("torch."), "batch": said, "height": "64",
        "width": "96", "channels": "1", "classes": "2"}
    for batch in batches:
        images = torch.randn((batch, 1, 64, 96), generator=torch.Generator().manual_seed(batch))
        with torch.inference_mode():
            logits, right = package(images.to(dtype)), network(images)
        assert logits.shape == right.shape and logits.dtype == dtype
        error = (logits - right).abs()
        if dtype == torch.float32:
            assert error.max() < 1e-4 * right.abs().max()
        else:
            assert error.mean() < 0.05 * right.std()


# ---------------------------------------------------------------- weights from elsewhere

@pytest.mark.parametrize("wrap", [
    lambda state: {"model": state, "epoch": 3},
    lambda state: {"model_state": {f"module.{name}": t for name, t in state.items()}},
    lambda state: {"state_dict": {f"_orig_mod.module.{name}": t for name, t in state.items()}},
    lambda state: {f"module._orig_mod.{name}": t for name, t in state.items()}])
def test_wrapped_state_dicts_are_unwrapped(torch, scripts, network, tmp_path, wrap):
    torch.save(wrap(network.state_dict()), tmp_path / "wrapped.pt")
    found = scripts["peaknet_weights"].read_state_dict(tmp_path / "wrapped.pt")
    again = scripts["peaknet"].PeakNet(scripts["peaknet"].SIZES["tiny"])
    scripts["peaknet_weights"].load(again, found)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def export(scripts, capsys, *arguments):
    """Status and error output of an export that writes nothing."""
    status = scripts["export_peaknet"].main(["--size", "tiny", "--formats", "state_dict",
                                             *map(str, arguments)])
    return status, capsys.readouterr().err


def test_weights_that_do_not_fit_are_named(torch, scripts, network, tmp_path, capsys):
    state = network.state_dict()
    del state["bifpn.blocks.1.w_m"]
    state["bifpn.blocks.2.w_m"] = torch.zeros(3, 2)
    state["head_segmask.weight"] = torch.zeros(3, 64, 1, 1)
    torch.save(state, tmp_path / "wrong.pt")
    status, error = export(scripts, capsys, "--weights", tmp_path / "wrong.pt")
    assert status == 1
    assert "missing: bifpn.blocks.1.w_m (3, 2)" in error
    assert "superfluous: bifpn.blocks.2.w_m (3, 2)" in error
    assert "head_segmask.weight is (3, 64, 1, 1), not (2, 64, 1, 1)" in error


@pytest.mark.filterwarnings("ignore:'torch.load' received a zip file that looks like a TorchScript")
def test_files_that_hold_something_else_are_refused(torch, scripts, tiny, tmp_path, capsys):
    (tmp_path / "text.pt").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pt")
    np.save(tmp_path / "odd.npy", np.zeros((33, 64)))
    for arguments, said in [
            (["--weights", tmp_path / "none.pt"], "No such file"),
            (["--weights", tmp_path / "text.pt"], "is no file of tensors alone"),
            (["--weights", tiny / "peaknet_tiny.pt"], "is no file of tensors alone"),
            (["--weights", tmp_path / "list.pt"], "holds no state dict"),
            (["--image", tmp_path / "none.npy"], "none.npy"),
            (["--image", tmp_path / "text.pt"], "cannot read images"),
            (["--image", tmp_path / "odd.npy"], "multiples of 32")]:
        status, error = export(scripts, capsys, *arguments)
        assert status == 1 and error.startswith("error: ") and said in error, error


@pytest.mark.parametrize("arguments, said", [
    (["--height", "100"], "--height must be a multiple of 32"),
    (["--batch", "17"], "--batch must be 1 to 16"),
    (["--formats", "onnx"], "no 'onnx'; there are state_dict, torchscript, aoti")])
def test_options_that_cannot_be_are_refused(scripts, capsys, arguments, said):
    with pytest.raises(SystemExit):
        export(scripts, capsys, *arguments)
    assert said in capsys.readouterr().err
