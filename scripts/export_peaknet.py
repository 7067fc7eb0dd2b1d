#!/usr/bin/env python3
"""Writes a PeakNet for pnflow's engines: state dict, TorchScript, AOTInductor package.

    scripts/export_peaknet.py --size base --output models
    scripts/export_peaknet.py --size base --weights trained.pt --device cuda --precision bfloat16

Without --weights they are random, but such that every tensor matters, and that the network finds
peaks in sim_source's images. Its float32 output, which --reference keeps, is what every engine is
measured by.

Images are normalised (instance normalisation, eps 1e-5) before the network sees them.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import pathlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

import peaknet_weights
from peaknet import CLASSES, SIZES, STRIDE, GlobalResponseNorm, PeakNet, PeakNetConfig
from peaknet_images import ImagesError, normalised, read_images
from peaknet_weights import WeightsError
from simulated_image import simulated_image

FORMATS = ("state_dict", "torchscript", "aoti")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
IMAGE_SIZE = 1920  # of the simulated image behind which random weights are finished
WANTED_COMPONENTS = 120  # in that image
CROP = 640  # of the image, where the whole would take many minutes: --size large without a GPU


class Refused(Exception):
    """What cannot be done, and the way out."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", choices=SIZES, default="base", help="of the network (default base)")
    add("--weights", type=pathlib.Path, help="state dict to load; without it random weights")
    add("--seed", type=int, default=1, help="of the random weights (default 1)")
    add("--output", type=pathlib.Path, default=pathlib.Path("."), help="directory (default .)")
    add("--formats", type=lambda text: text.split(","), default=list(FORMATS),
        help=f"some of {','.join(FORMATS)} (default all)")
    add("--device", choices=("cpu", "cuda"), default="cpu",
        help="to compute on, and for which the AOTI package is (default cpu)")
    add("--image", type=pathlib.Path,
        help=".npy or HDF5 file, (H, W): behind its first image random weights are finished, and "
             "classes are counted on it (default: event 0 of sim_source, 1920x1920)")
    package = parser.add_argument_group("AOTI package")
    add = package.add_argument
    add("--precision", choices=PRECISIONS, default="float32", help="(default float32)")
    add("--height", type=int, default=1920, help="of its images (default 1920)")
    add("--width", type=int, default=1920, help="of its images (default 1920)")
    batch = package.add_mutually_exclusive_group()
    batch.add_argument("--max-batch", type=int, default=16,
                       help="it takes 1 to so many images (default 16)")
    batch.add_argument("--batch", type=int, help="it takes so many images, always")
    add("--max-autotune", action="store_true", help="try more kernels: slow; for cuda")
    check = parser.add_argument_group("checks")
    add = check.add_argument
    add("--check-backbone", action="store_true",
        help="compare the backbone with transformers' ConvNextV2Backbone")
    add("--reference", type=pathlib.Path, metavar="FILE.npz",
        help="write images, what the network sees of them, and its float32 logits")
    add("--images", type=pathlib.Path, help=".npy or HDF5 file, (N, H, W): those of --reference "
                                            "(default: sim_source's event 0, height x width)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.formats if name not in FORMATS]:
        parser.error(f"--formats: no '{unknown[0]}'; there are {', '.join(FORMATS)}")
    for name in ("height", "width"):
        if getattr(options, name) < STRIDE or getattr(options, name) % STRIDE:
            parser.error(f"--{name} must be a multiple of {STRIDE}")
    for name in ("batch", "max_batch"):
        value = getattr(options, name)
        if value is not None and not 1 <= value <= 16:
            parser.error(f"--{name.replace('_', '-')} must be 1 to 16")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no GPU here")
    return options


# ---------------------------------------------------------------- the network

@contextlib.contextmanager
def largest_values(network: PeakNet) -> Iterator[dict[str, float]]:
    """By module, the largest magnitude that it computes while the context lasts."""
    largest: dict[str, float] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: tuple, output: Tensor | list) -> None:
            values = [output] if isinstance(output, Tensor) else output
            if isinstance(module, GlobalResponseNorm):
                values.append(module.response(*inputs))
            largest[name] = max([largest.get(name, 0.0), *(x.abs().max().item() for x in values)])
        return hook

    hooks = [module.register_forward_hook(watch(name)) for name, module in network.named_modules()]
    try:
        yield largest
    finally:
        for hook in hooks:
            hook.remove()


def make_network(options: argparse.Namespace) -> PeakNet:
    """On the device, with the weights asked for; prints what they make of the image."""
    config = SIZES[options.size]
    if options.weights:
        network = PeakNet(config)
        peaknet_weights.load(network, peaknet_weights.read_state_dict(options.weights))
    else:
        network = peaknet_weights.random_network(config, options.seed)
    network = network.to(options.device).eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"PeakNet {options.size}: {parameters / 1e6:.2f} M parameters, "
          + (f"from {options.weights}" if options.weights else f"random, seed {options.seed}"))

    if options.image:
        image, origin = read_images(options.image)[0], str(options.image)
    else:
        image, origin = simulated_image(IMAGE_SIZE, IMAGE_SIZE), "event 0 of sim_source"
    seen, share = normalised(image[None]).to(options.device), 1.0
    if options.size == "large" and options.device == "cpu":
        top, left = (max(0, (extent - CROP) // 2) for extent in image.shape)
        seen = seen[:, :, top:top + CROP, left:left + CROP].contiguous()
        share = seen.numel() / image.size
        origin += f", its middle {seen.shape[2]}x{seen.shape[3]} pixels (all: --device cuda)"
    with largest_values(network) as largest, torch.no_grad():
        gathered = network.gather(seen)
        if not options.weights:
            peaknet_weights.finish(network, seen, gathered, round(WANTED_COMPONENTS * share))
        mask = peaknet_weights.logit_difference(network, gathered) > 0
    worst = max(largest, key=largest.__getitem__)
    print(f"image: {origin}\n"
          f"class 1: {mask.mean():.3%} of {mask.shape[0]}x{mask.shape[1]} pixels, "
          f"{peaknet_weights.components(mask)} components\n"
          f"largest activation: {largest[worst]:.0f} at {worst}")
    return network


def check_backbone(network: PeakNet, config: PeakNetConfig) -> bool:
    """Whether it is transformers' within rounding; says by how much it differs."""
    try:
        from transformers import ConvNextV2Backbone, ConvNextV2Config
    except ImportError as error:
        raise Refused("--check-backbone needs transformers (pip install transformers): "
                      f"{error}") from None
    theirs = ConvNextV2Backbone(ConvNextV2Config(
        num_channels=1, patch_size=4, hidden_sizes=list(config.hidden_sizes),
        depths=list(config.depths), out_features=[f"stage{s}" for s in range(1, 5)])).eval()
    theirs.load_state_dict(network.backbone.state_dict())
    images = normalised(simulated_image(256, 320)[None])
    ours = copy.deepcopy(network.backbone).cpu()
    with torch.inference_mode():
        pairs = list(zip(ours(images), theirs(images).feature_maps, strict=True))
    worst = max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)
    print(f"backbone: differs from transformers' by at most {worst:.1e} of the largest value")
    return worst <= 1e-4


# ---------------------------------------------------------------- files

def write_state_dict(network: PeakNet, path: pathlib.Path) -> str:
    torch.save({name: tensor.cpu() for name, tensor in network.state_dict().items()}, path)
    return "float32"


def write_torchscript(network: PeakNet, path: pathlib.Path) -> str:
    """Float32 on the CPU: whoever loads it converts it. Any batch, any multiples of 32."""
    module = copy.deepcopy(network).cpu()
    with torch.inference_mode(), warnings.catch_warnings():
        # GroupNorm asks whether there is anything to normalise; the answer is the same everywhere.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(module, torch.randn(1, 1, 64, 96), check_trace=False)
        images = torch.randn(3, 1, 128, 32)
        torch.testing.assert_close(traced(images), module(images))
    traced.save(str(path))
    return "float32, any batch and size"


def write_aoti(network: PeakNet, path: pathlib.Path, options: argparse.Namespace) -> str:
    """One precision, one size; the input is contiguous."""
    dtype = PRECISIONS[options.precision]
    module = copy.deepcopy(network).to(dtype=dtype, memory_format=torch.channels_last)
    dynamic = options.batch is None and options.max_batch > 1
    size = (options.height, options.width)
    example = torch.zeros(2 if dynamic else options.batch or 1, 1, *size, dtype=dtype,
                          device=options.device)
    batch = torch.export.Dim("batch", min=1, max=options.max_batch) if dynamic else None
    program = torch.export.export(module, (example,),
                                  dynamic_shapes=({0: batch},) if dynamic else None)
    batches = f"1-{options.max_batch}" if dynamic else str(len(example))
    facts = {"precision": options.precision, "batch": batches, "height": options.height,
             "width": options.width, "channels": 1, "classes": CLASSES}
    torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs={
        "max_autotune": options.max_autotune,
        "aot_inductor.metadata": {f"pnflow.{name}": str(value) for name, value in facts.items()}})
    return f"{options.device}, {options.precision}, batch {batches}, {size[0]}x{size[1]}"


def write_reference(network: PeakNet, path: pathlib.Path, options: argparse.Namespace) -> str:
    images = (read_images(options.images) if options.images
              else simulated_image(options.height, options.width)[None])
    seen = normalised(images)
    with torch.inference_mode():
        logits = torch.cat([network(one[None].to(options.device)).cpu() for one in seen])
    with path.open("wb") as file:  # savez() would add .npz to a name without it
        np.savez(file, images=images, input=seen.numpy(), logits=logits.numpy())
    return f"{options.device}, float32, {len(images)} images {images.shape[1]}x{images.shape[2]}"


@dataclasses.dataclass
class Written:
    path: pathlib.Path
    what: str
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    try:
        network = make_network(options)
        if options.check_backbone and not check_backbone(network, SIZES[options.size]):
            print("the backbone is not transformers'", file=sys.stderr)
            return 1
        options.output.mkdir(parents=True, exist_ok=True)
        stem = options.output / f"peaknet_{options.size}"
        written: list[Written] = []

        def write(path: pathlib.Path, writer: Callable[..., str], *more: object) -> None:
            start = time.monotonic()
            what = writer(network, path, *more)
            written.append(Written(path, what, time.monotonic() - start))

        if "state_dict" in options.formats:
            write(pathlib.Path(f"{stem}_state.pt"), write_state_dict)
        if "torchscript" in options.formats:
            write(pathlib.Path(f"{stem}.pt"), write_torchscript)
        if "aoti" in options.formats:
            write(pathlib.Path(f"{stem}_{options.device}_{options.precision}.pt2"), write_aoti,
                  options)
        if options.reference:
            write(options.reference, write_reference, options)
    except (ImagesError, Refused, WeightsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    width = max((len(str(entry.path)) for entry in written), default=0)
    for entry in written:
        print(f"{str(entry.path):{width}} {entry.path.stat().st_size:15,} bytes "
              f"{entry.seconds:7.1f} s  {entry.what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
