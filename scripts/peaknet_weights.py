"""Weights of a PeakNet: read and written, or random ones in which every tensor matters."""

from __future__ import annotations

import math
import pathlib
import pickle

import numpy as np
import safetensors
import safetensors.torch
import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peaknet import BiFPNBlock, GlobalResponseNorm, PeakNet, PeakNetConfig

NESTING_KEYS = ("model", "model_state", "state_dict")
PREFIXES = ("module.", "_orig_mod.")
EIGHT_CONNECTED = np.ones((3, 3))


class WeightsError(Exception):
    """What is wrong with a file of weights, in a sentence."""


# ---------------------------------------------------------------- files

def read_state_dict(path: pathlib.Path) -> dict[str, Tensor]:
    """A state dict as PeakNet names its tensors, whatever it was wrapped in."""
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror}") from None
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise WeightsError(f"'{path}' is no file of tensors alone, as torch.save makes it of a "
                           f"state dict ({type(error).__name__})") from None
    for key in NESTING_KEYS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not any(isinstance(v, Tensor) for v in found.values()):
        raise WeightsError(f"'{path}' holds no state dict, neither itself nor under one of "
                           + ", ".join(NESTING_KEYS))
    return {bare(name): tensor for name, tensor in found.items()}


def read_safetensors(path: pathlib.Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error}") from None
    except safetensors.SafetensorError as error:
        raise WeightsError(f"'{path}' is no safetensors file: {error}") from None


def save(network: PeakNet, path: pathlib.Path) -> None:
    """The state dict, as a .safetensors file: tensors alone, that anyone can read."""
    tensors = {name: tensor.detach().cpu().contiguous()
               for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(tensors, path)


def bare(name: str) -> str:
    for prefix in PREFIXES * 2:  # they occur in either order
        name = name.removeprefix(prefix)
    return name


def load(network: PeakNet, state: dict[str, Tensor]) -> None:
    """Throws WeightsError, which names every tensor that is missing, superfluous or misshapen."""
    own = network.state_dict()
    shapes = {name: tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
              for name, value in state.items()}
    faults = [f"missing: {name} {tuple(own[name].shape)}" for name in own if name not in state]
    faults += [f"superfluous: {name} {shapes[name]}" for name in state if name not in own]
    faults += [f"{name} is {shapes[name]}, not {tuple(tensor.shape)}"
               for name, tensor in own.items()
               if name in state and shapes[name] != tuple(tensor.shape)]
    if faults:
        raise WeightsError("the weights do not fit:\n  " + "\n  ".join(faults))
    network.load_state_dict(state)


# ---------------------------------------------------------------- random

def random_network(config: PeakNetConfig, seed: int) -> PeakNet:
    """The same weights for the same seed on every machine.

    No tensor could be left out, or taken for 0 or 1, unnoticed: norms, GRN and biases are drawn
    like the rest, and of the fusion weights one in each block is negative, so that relu counts.
    All activations stay within the range of float16.
    """
    with torch.device("meta"):
        network = PeakNet(config)
    network = network.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def draw(tensor: Tensor, low: float, high: float) -> None:
        # Even draws, scaled in two roundings, have the same bits everywhere; normal draws do not.
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    embeddings = network.backbone.embeddings.patch_embeddings
    for module in network.modules():
        match module:
            case nn.LayerNorm() | nn.GroupNorm():
                draw(module.weight, 0.5, 1.5)
                draw(module.bias, -0.5, 0.5)
            case GlobalResponseNorm():
                draw(module.weight, -1, 1)
                draw(module.bias, -0.5, 0.5)
            case nn.Conv2d() | nn.ConvTranspose2d() | nn.Linear():
                bound = math.sqrt(3 / inputs_of(module))  # keeps the variance
                if isinstance(module, nn.ConvTranspose2d):
                    bound /= 10  # what it adds differs from pixel to pixel
                draw(module.weight, -bound, bound)
                if module.bias is not None:
                    # The stem's norm would amplify an image's noise if it stood alone.
                    reach = 2 if module is embeddings else 0.5
                    draw(module.bias, -reach, reach)
            case BiFPNBlock():
                draw(module.w_m, 0.25, 2)
                draw(module.w_q, 0.25, 2)
                module.w_q.data[1, 0] *= -1  # level 4 reaches q4 all the same, through m4
                module.w_q_mask.copy_(BiFPNBlock.mask())
    return network


def inputs_of(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
    """Of one output."""
    weight = layer.weight
    if isinstance(layer, nn.ConvTranspose2d):
        return weight[:, 0].numel() / math.prod(layer.stride)
    return weight[0].numel()


# ---------------------------------------------------------------- the last layer

@torch.no_grad()
def logit_difference(network: PeakNet, gathered: Tensor) -> np.ndarray:
    """Class 1 - class 0, (H, W), of one image."""
    logits = network.decide(gathered)[0]
    return (logits[1] - logits[0]).cpu().numpy()


def components(mask: np.ndarray) -> int:
    """8-connected ones in an image (H, W)."""
    return scipy.ndimage.label(mask, EIGHT_CONNECTED)[1]


@torch.no_grad()
def finish(network: PeakNet, image: Tensor, gathered: Tensor, wanted: int) -> None:
    """Makes a random network find peaks: head_segmask's weights look for whatever the brightest
    pixels of an image (1, 1, H, W) have in common, and its bias gives about `wanted` components.
    `gathered` is what the network has gathered from the image.

    Behind random weights alone, class 1 would be specks along the image's edges."""
    weight = network.head_segmask.weight[:, :, 0, 0]
    weight[1] = weight[0] + on_grid(discriminant(gathered, image)).to(weight)
    shift = on_grid(torch.tensor(shift_for(logit_difference(network, gathered), wanted)))
    network.head_segmask.bias += torch.tensor([-0.5, 0.5]).to(weight) * shift.to(weight)


def on_grid(values: Tensor) -> Tensor:
    """Multiples of 1/256, so that machines which round differently end with the same weights."""
    return torch.round(values * 256) / 256


def discriminant(gathered: Tensor, image: Tensor) -> Tensor:
    """Fisher's: the direction in which the brightest 0.1% of the 4x4 cells stand out from the
    others by 8, measured by how all of them scatter."""
    cells = F.max_pool2d(image, 4).flatten().cpu()
    bright = torch.zeros(cells.shape, dtype=torch.bool)
    bright[cells.topk(max(len(cells) // 1000, 1)).indices] = True
    values = gathered[0].flatten(1).cpu().double()
    centred = values - values.mean(1, keepdim=True)
    scatter = centred @ centred.T / len(cells)
    scatter += 0.05 * scatter.diagonal().mean() * torch.eye(len(scatter))
    distance = values[:, bright].mean(1) - values[:, ~bright].mean(1)
    direction = torch.linalg.solve(scatter, distance)
    return 8 * direction / (direction @ distance)


def shift_for(difference: np.ndarray, wanted: int) -> float:
    """What to add to the logit difference for `wanted` components of class 1, or about as many.
    The search comes from where all is class 0 to the first threshold with enough of them."""
    ordered = np.sort(difference, axis=None)
    high = low = float(ordered[-1])
    share = 1e-6
    while share < 0.5 and components(difference > low) < wanted:
        high, low = low, float(ordered[-1 - int(share * ordered.size)])
        share *= 2
    for _ in range(16):
        middle = (low + high) / 2
        if components(difference > middle) < wanted:
            high = middle
        else:
            low = middle
    return -low
