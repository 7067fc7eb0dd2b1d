"""infer's engine torchscript against PyTorch in Python."""

import sys
import types

import numpy as np
import pytest

from chains import chain
from inference import (ADU_PER_PHOTON, PHOTONS, detector_images, infer, prepared, stream_of,
                       write_mask)
from peers import Push
from support import Run, needs_libtorch

pytestmark = needs_libtorch


@pytest.fixture(scope="session")
def torch():
    """Imported only where it is used: that takes seconds."""
    import torch
    return torch


@pytest.fixture(scope="session")
def models(torch, tmp_path_factory):
    """The directory that make_models.py fills."""
    import make_models
    directory = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["make_models.py", str(directory)])
        make_models.main()
    return directory


@pytest.fixture(scope="session")
def network(torch, models):
    """A network whose answer depends on where a pixel is, as a TorchScript file (`weights`) and as
    plain PyTorch: `answer`, images (N, H, W) float32 -> logits (N, 2, H, W)."""
    class Slanted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = 0.05 * (torch.arange(x.size(2)) - 24)
            columns = 0.02 * (torch.arange(x.size(3)) - 70)
            slope = rows[:, None] + columns
            return self.conv(x) + torch.stack([-slope, slope])

    torch.manual_seed(5)
    module = Slanted()
    weights = models / "slanted.pt"
    torch.jit.script(module).save(str(weights))

    def answer(images):
        with torch.inference_mode():
            return module(torch.from_numpy(images)[:, None]).numpy()

    return types.SimpleNamespace(weights=str(weights), answer=answer)


# ---------------------------------------------------------------- the judge

def network_logits(network, event, bad, normalize, pad):
    """(2, rows, W) in the layout of the file, from PyTorch."""
    panels = event.reshape(-1, *event.shape[-2:])
    seen, inside = zip(*(prepared(panel, mask, normalize, pad)
                         for panel, mask in zip(panels, np.broadcast_to(bad, panels.shape))))
    logits = network.answer(np.stack(seen))[(slice(None), slice(None), *inside[0])]
    return np.concatenate(list(logits), axis=1)


def check_event(segmap, logits):
    """The map is the argmax of PyTorch's logits, except where these are all but equal."""
    difference = logits[1] - logits[0]
    clear = np.abs(difference) > 1e-5 * np.abs(logits).max()
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(segmap[clear], difference[clear] > 0)
    assert 0.02 < segmap.mean() < 0.98, "one class is hardly there"


# ---------------------------------------------------------------- maps and logits

@pytest.mark.parametrize("normalize, style", [
    ("none", "center"), ("none", None), ("instance", None), ("instance", "center"),
    ("instance", "bottom-right"), ("instance_padded", "center"),
    ("instance_padded", "bottom-right"), ("photons", "center"), ("anscombe", "center")])
def test_torchscript_gives_the_maps_and_logits_of_pytorch(tmp_path, network, normalize, style):
    """Panels with a mask, and pixels that are not finite, in messages of several events."""
    random = np.random.default_rng(12)
    bad = random.random((2, 31, 129)) < 0.03
    batches = [detector_images(random, (events, 2, 31, 129), np.dtype(dtype))
               for events, dtype in [(3, "float32"), (2, "uint16"), (1, "float64")]]
    batches[0][1, 1] = np.nan  # a dead panel
    batches[0][2] *= 1e-4  # with a variance that is not large against 'normalize_eps'
    batches[2][0, :, 7, ::9] = 1e300  # finite, but not in float32
    stream, events = stream_of(batches)
    pad = {"height": 48, "width": 152, "style": style} if style else None
    settings = {"engine": "torchscript", "weights": network.weights, "logits": True,
                "batch_size": 4, "normalize": normalize, "pad": pad,
                "mask": write_mask(tmp_path / "mask.h5", bad)}
    if normalize in PHOTONS:
        settings["adu_per_photon"] = ADU_PER_PHOTON
    result = infer(tmp_path, stream, settings)
    assert len(result.maps) == len(events)
    for number, event in enumerate(events):
        logits = network_logits(network, event, bad, normalize, pad)
        scale = np.abs(logits).max()
        np.testing.assert_allclose(result.logits[number], logits, rtol=0, atol=1e-5 * scale)
        check_event(result.maps[number], logits)
        # What is stored agrees with itself to the last bit.
        stored = result.logits[number]
        np.testing.assert_array_equal(result.maps[number], stored[1] > stored[0])


def test_a_network_sees_the_crop_and_its_padding_alone(tmp_path, network):
    images = detector_images(np.random.default_rng(16), (5, 2, 40, 129), np.dtype("float32"))
    stream, events = stream_of([images[:3], images[3:]])
    pad = {"height": 48, "width": 112, "style": "center"}
    result = infer(tmp_path, stream, {
        "engine": "torchscript", "weights": network.weights, "logits": True, "batch_size": 4,
        "crop": {"height": 31, "width": 101, "top": 2}, "pad": pad})
    seen = (slice(2, 33), slice(14, 115))
    for number, event in enumerate(events):
        wanted = np.full((2, 2, 40, 129), np.nan, np.float32)  # classes, panels
        part = np.ascontiguousarray(event[(slice(None), *seen)])
        wanted[(slice(None), slice(None), *seen)] = (
            network_logits(network, part, False, "instance", pad).reshape(2, 2, 31, 101))
        np.testing.assert_allclose(result.logits[number].reshape(wanted.shape), wanted, rtol=0,
                                   atol=1e-5 * np.nanmax(np.abs(wanted)))
        stored = result.logits[number]
        np.testing.assert_array_equal(result.maps[number], stored[1] > stored[0])


@pytest.fixture(scope="module")
def single_images(network):
    """Messages of 1 to 4 assembled images, their events, and PyTorch's logits of each."""
    random = np.random.default_rng(13)
    stream, events = stream_of([detector_images(random, (n, 40, 56), np.dtype("int32"))
                                for n in (2, 3, 1, 4, 3)])
    return stream, [network_logits(network, event, False, "instance", None) for event in events]


@pytest.mark.parametrize("settings", [
    {"batch_size": 1}, {"batch_size": 3}, {"batch_size": 7}, {"batch_size": 7, "output": "uint8"},
    {"batch_size": 3, "instances": 2}, {"batch_size": 64, "max_wait": "1 ms", "threads": 2},
], ids=str)
def test_the_maps_do_not_depend_on_micro_batches(tmp_path, network, single_images, settings):
    stream, logits = single_images
    result = infer(tmp_path, stream,
                   {"engine": "torchscript", "weights": network.weights, **settings})
    assert len(result.maps) == len(logits)
    for number, wanted in enumerate(logits):
        check_event(result.maps[number], wanted)


def test_a_tie_goes_to_the_background(tmp_path, models):
    images = detector_images(np.random.default_rng(14), (3, 40, 56), np.dtype("uint16"))
    result = infer(tmp_path, stream_of([images])[0],
                   {"engine": "torchscript", "weights": str(models / "tie.pt"), "logits": True})
    for number in range(3):
        np.testing.assert_array_equal(*result.logits[number])
        assert result.logits[number].std() > 0.5
        assert not result.maps[number].any()


# ---------------------------------------------------------------- models that do not fit

@pytest.mark.parametrize("name, said", [
    ("corrupt.pt", "is not a TorchScript file that can be loaded"),
    ("three_classes.pt", "the model gives (1, 3, 64, 64), not logits (1, 2, 64, 64)"),
    ("half_size.pt", "the model gives (1, 2, 32, 32), not logits (1, 2, 64, 64)"),
    ("tuple.pt", "the model gives a Tuple, not logits"),
])
def test_a_model_that_does_not_fit_ends_the_run_before_it_begins(tmp_path, models, name, said):
    weights = models / name
    topology = chain(infer={"engine": "torchscript", "weights": str(weights)})
    with Run(tmp_path, topology) as run:
        assert run.wait() == 1
    error, = [line for line in run.lines if " error " in line]
    assert " infer: " in error and str(weights) in error and said in error
    assert "bound" not in run.output


def test_a_model_that_cannot_take_the_images_fails_them_with_its_own_words(tmp_path, models):
    """Without padding the size of the images is known only when they come."""
    images = detector_images(np.random.default_rng(15), (2, 40, 56), np.dtype("uint16"))
    settings = {"engine": "torchscript", "weights": str(models / "colour.pt")}
    with Run(tmp_path, chain(infer=settings)) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(stream_of([images])[0])
        report = run.finish()
    assert report["events"]["failed"] == {"inference": 2}
    assert "cannot take an image (1, 1, 64, 64)" in run.output
    failures = [line for line in run.lines if "failed: inference" in line]
    assert len(failures) == 2
    assert all("channels" in line for line in failures)
    assert not any("inference: inference" in line for line in failures), failures[0]

    padded = chain(infer={**settings, "pad": {"height": 64, "width": 64}})
    with Run(tmp_path, padded) as run:
        assert run.wait() == 1
    assert "infer: model" in run.output and "cannot take an image (1, 1, 64, 64)" in run.output


@pytest.mark.parametrize("panels", [1, 3])
def test_events_whose_logits_are_not_finite_fail_and_no_others(tmp_path, torch, panels):
    class Overflowing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([10 - x, x * x * 1e30], dim=1)

    path = tmp_path / "overflowing.pt"
    torch.jit.script(Overflowing()).save(str(path))
    images = detector_images(np.random.default_rng(16), (6, panels, 40, 56), np.dtype("int32"))
    images[1, -1, 39, 55] = 20000
    images[4, 0, 0, 0] = -20000
    with Run(tmp_path, chain(infer={"engine": "torchscript", "weights": str(path),
                                    "normalize": "none", "batch_size": 4})) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(stream_of([images[:4], images[4:]])[0])
        report = run.finish()
    assert report["events"]["failed"] == {"logits not finite": 2}
    assert report["events"]["delivered"] == 4
    panel = f" for panel {panels - 1}" if panels > 1 else ""
    assert (f"failed: logits not finite: the network's logits{panel} are not all finite numbers"
            in run.output)


def test_a_model_that_throws_costs_only_the_events_of_its_micro_batch(tmp_path, torch):
    class Moody(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool(x.max() > 10000):
                raise RuntimeError("this is too bright for me")
            return torch.cat([10 - x, x - 10], dim=1)

    path = tmp_path / "moody.pt"
    torch.jit.script(Moody()).save(str(path))
    images = detector_images(np.random.default_rng(16), (6, 40, 56), np.dtype("int32"))
    images[[1, 4], 20, 20] = 20000
    result = infer(tmp_path, stream_of([images[:4], images[4:]])[0],
                   {"engine": "torchscript", "weights": str(path), "normalize": "none"})
    assert result.report["events"]["failed"] == {"inference": 2}
    assert sorted(result.maps) == [0, 2, 3, 5]
    for number, segmap in result.maps.items():
        np.testing.assert_array_equal(segmap, images[number] > 10)
