"""infer's engine peaknet, which builds the network from its weights, against PyTorch in Python."""

import collections
import json
import struct

import numpy as np
import pytest

from chains import chain, simulated
from inference import detector_images, infer, prepared, stream_of
from peers import Push
from support import ROOT, Run, needs_libtorch

pytestmark = needs_libtorch

SHIPPED = ROOT / "models" / "peaknet_small.safetensors"


@pytest.fixture(scope="module")
def torch():
    """With one thread, as an instance of `infer` has: the bits of sums depend on it."""
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


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
    shipped = peaknet.PeakNet(peaknet.SIZES["small"]).eval()
    peaknet_weights.load(shipped, peaknet_weights.read_state_dict(SHIPPED))
    made = {"shipped": (SHIPPED, shipped)}
    configs = {
        "tiny": peaknet.SIZES["tiny"],
        "odd": peaknet.PeakNetConfig((8, 24, 20, 12), (1, 2, 1, 3), 3, 12, 96, False, 3),
    }
    for name, config in configs.items():
        path = directory / f"{name}.safetensors"
        made[name] = (path, peaknet_weights.random_network(config, seed=3))
        peaknet_weights.save(made[name][1], path)
    return made


def logits_of(torch, network, seen):
    """(2, H, W), of an image of any size: padded to the network's stride and cropped again."""
    stride = 8 * network.patch_size
    height, width = seen.shape
    padded = np.pad(seen, ((0, -height % stride), (0, -width % stride)))
    with torch.inference_mode():
        return network(torch.from_numpy(padded)[None, None])[0, :, :height, :width].numpy()


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
