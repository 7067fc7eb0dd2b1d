"""The network in models/: its files belong together, and pnflow computes what PyTorch computes."""

import hashlib
import re

import numpy as np
import pytest
from inference import ADU_PER_PHOTON, infer, prepared, shipped_network, stream_of
from support import ROOT, needs_libtorch

pytestmark = needs_libtorch

MODELS = ROOT / "models"
TORCHSCRIPT = MODELS / "peaknet_small.pt"
SETTINGS = {"engine": "torchscript", "weights": str(TORCHSCRIPT), "normalize": "anscombe",
            "adu_per_photon": ADU_PER_PHOTON}


def spots(random, shape):
    """Photons of round spots on a faint background, as ADU."""
    y, x = np.mgrid[:shape[-2], :shape[-1]]
    photons = np.full(shape, 0.3)
    for panel in photons.reshape(-1, *shape[-2:]):
        for _ in range(6):
            centre = random.uniform(4, np.array(shape[-2:]) - 4)
            panel += random.uniform(15, 300) * np.exp(
                -((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 0.8)
    return np.rint(random.poisson(photons) * ADU_PER_PHOTON).astype(np.int16)


def test_the_card_has_the_files_as_they_are():
    card = (MODELS / "README.md").read_text()
    named = dict(re.findall(r"`(peaknet_small\.\w+)`.*?`([0-9a-f]{64})`", card))
    assert sorted(named) == ["peaknet_small.pt", "peaknet_small.safetensors"]
    for name, digest in named.items():
        content = (MODELS / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) < 5e6


def test_torchscript_is_made_of_the_weights_beside_it(torch):
    network = shipped_network()
    images = torch.from_numpy(spots(np.random.default_rng(1), (2, 1, 96, 160)) / ADU_PER_PHOTON)
    with torch.inference_mode():
        torch.testing.assert_close(torch.jit.load(str(TORCHSCRIPT))(images.float()),
                                   network(images.float()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 352, 384), (2, 64, 96), (3, 176, 192)])
def test_maps_are_pytorchs_and_peaks_are_on_the_spots(tmp_path, torch, shape):
    random = np.random.default_rng(8)
    stream, events = stream_of([spots(random, (n, *shape)) for n in (2, 1)])
    result = infer(tmp_path, stream, SETTINGS)
    network = torch.jit.load(str(TORCHSCRIPT)).eval()
    for number, event in enumerate(events):
        for panel, found in zip(event, result.maps[number].reshape(shape), strict=True):
            seen, _ = prepared(panel, np.zeros(panel.shape, bool), "anscombe", None)
            with torch.inference_mode():
                logits = network(torch.from_numpy(seen)[None, None])[0].numpy()
            np.testing.assert_array_equal(found, logits[1] > logits[0])
        assert 5 * shape[0] <= result.peaks[number] <= 6 * shape[0]
