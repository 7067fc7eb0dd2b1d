"""infer's engine aoti on the CPU against PyTorch in Python. Packages are compiled here, which takes
a while: one for micro-batches of 1 to 8, one for exactly 4, and damaged copies of them."""

import numpy as np
import pytest

from chains import simulated
from inference import detector_images, infer, stream_of, with_metadata
from support import Run, needs_libtorch

pytestmark = needs_libtorch
PAD = {"height": 64, "width": 96, "style": "center"}


@pytest.fixture(scope="module")
def network():
    import torch
    torch.manual_seed(3)
    torch.set_num_threads(1)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 5, padding=2), torch.nn.ReLU(),
                               torch.nn.Conv2d(4, 2, 3, padding=1)).eval()


def compiled(network, path, batch):
    import torch
    from torch._inductor import aoti_compile_and_package
    count = torch.export.Dim("images", min=1, max=8) if batch == "1-8" else None
    example = torch.zeros(2 if count else int(batch), 1, PAD["height"], PAD["width"])
    with torch.inference_mode():
        program = torch.export.export(network, (example,),
                                      dynamic_shapes=({0: count},) if count else None)
    aoti_compile_and_package(program, package_path=str(path), inductor_configs={
        "aot_inductor.metadata": {"pnflow.precision": "float32", "pnflow.batch": batch,
                                  "pnflow.height": str(PAD["height"]),
                                  "pnflow.width": str(PAD["width"])}})
    return path


@pytest.fixture(scope="module")
def dynamic(network, tmp_path_factory):
    return compiled(network, tmp_path_factory.mktemp("aoti") / "dynamic.pt2", "1-8")


@pytest.fixture(scope="module")
def static(network, tmp_path_factory):
    return compiled(network, tmp_path_factory.mktemp("aoti") / "static.pt2", "4")


@pytest.mark.parametrize("kind, batch_size", [("dynamic", 5), ("static", 3), ("static", 4)])
def test_a_package_gives_the_maps_and_logits_of_pytorch(tmp_path, network, request, kind,
                                                        batch_size):
    """A package for exactly 4 images gets fillers, which never show."""
    import torch
    random = np.random.default_rng(8)
    stream, events = stream_of([detector_images(random, (n, 60, 70), np.dtype("uint16"))
                                for n in (3, 1, 7)])
    result = infer(tmp_path, stream, {
        "engine": "aoti", "weights": str(request.getfixturevalue(kind)), "pad": PAD,
        "batch_size": batch_size, "logits": True})
    assert sorted(result.maps) == list(range(11))
    for number, event in enumerate(events):
        image = event.astype(np.float64)
        seen = np.zeros((1, 1, PAD["height"], PAD["width"]), np.float32)
        seen[0, 0, 2:62, 13:83] = (image - image.mean()) / np.sqrt(image.var() + 1e-5)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(seen))[0, :, 2:62, 13:83].numpy()
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(result.logits[number], wanted, atol=1e-5 * scale, rtol=0)
        difference = result.logits[number][1] - result.logits[number][0]
        np.testing.assert_array_equal(result.maps[number], difference > 0)


@pytest.mark.parametrize("changes, text", [
    ({"AOTI_DEVICE_KEY": "cuda"}, "is for device cuda, and here it is cpu"),
    ({"pnflow.precision": "bfloat16"}, "is for precision bfloat16, and here it is float32"),
    ({"pnflow.height": "1920"}, "is for height 1920, and here it is 64"),
    ({"pnflow.batch": "2"}, "takes micro-batches of 2 images, and 'batch_size' is 4")])
def test_a_package_for_something_else_is_refused_with_both_sides(tmp_path, dynamic, changes, text):
    package = with_metadata(dynamic, tmp_path / "other.pt2", **changes)
    refused(tmp_path, package, text)


def test_a_damaged_package_and_none_are_refused_by_name(tmp_path, dynamic):
    cut = tmp_path / "cut.pt2"
    cut.write_bytes(dynamic.read_bytes()[:5000])
    refused(tmp_path, cut, "cut.pt2' is not an AOTInductor package")
    refused(tmp_path, tmp_path / "absent.pt2", "there is no model file")


def refused(directory, package, text):
    topology = simulated({}, infer={"engine": "aoti", "weights": str(package), "pad": PAD,
                                    "batch_size": 4})
    with Run(directory, topology) as run:
        assert run.wait() == 1
    assert text in run.output, run.output
