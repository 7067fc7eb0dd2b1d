"""PeakNet: finds Bragg peaks by giving each pixel of a detector image one of two classes.

A ConvNeXt V2 backbone sees the image at strides 4, 8, 16 and 32 (levels 2 to 5), BiFPN blocks let
these levels exchange what they see, and a head for each level brings it back to stride 4, where the
heads are added up and decide. Images are (N, 1, H, W), normalised, with H and W multiples of 32;
logits are (N, 2, H, W), class 1 being a peak, in the dtype of the parameters.

The published networks take patches of 4x4 pixels. With a patch_size of 2 everything happens at half
these strides, which suits spots of a few pixels: the shipped network is of this kind.

    network = PeakNet(SIZES["base"])
    network.load_state_dict(torch.load("base.pt", weights_only=True))
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 32  # of the deepest level, or a multiple of it: what heights and widths are multiples of
CLASSES = 2
LEVELS = (2, 3, 4, 5)  # level l has stride 2 ** l, from patches of 4x4 pixels


@dataclasses.dataclass(frozen=True)
class PeakNetConfig:
    hidden_sizes: tuple[int, int, int, int]  # channels of the backbone's stages
    depths: tuple[int, int, int, int]  # their blocks
    bifpn_blocks: int
    features: int  # channels of the BiFPN blocks
    head_features: int  # channels of the heads, a multiple of 32
    learned_upsampling: bool
    patch_size: int = 4  # pixels a side


SIZES = {
    # Has every part that the published sizes have between them, and is small enough for tests.
    "tiny": PeakNetConfig((16, 32, 64, 128), (1, 1, 2, 1), 2, 32, 64, True),
    "small": PeakNetConfig((16, 32, 64, 128), (2, 2, 2, 2), 1, 32, 32, True, patch_size=2),
    "base": PeakNetConfig((96, 192, 384, 768), (3, 3, 9, 3), 2, 256, 256, False),
    "large": PeakNetConfig((352, 704, 1408, 2816), (3, 3, 27, 3), 4, 512, 256, True),
}


def resized(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def added(inputs: Iterable[Tensor]) -> Tensor:
    """As sum(), which would add the first to 0."""
    return functools.reduce(torch.add, inputs)


# ---------------------------------------------------------------- backbone: ConvNeXt V2

class LayerNorm(nn.LayerNorm):
    """Over the last axis."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-6)


class ChannelNorm(LayerNorm):
    """Over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GlobalResponseNorm(nn.Module):
    """Weighs each channel of (N, H, W, C) by its share in the image's response."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.bias = nn.Parameter(torch.zeros(1, 1, 1, channels))

    @staticmethod
    def response(x: Tensor) -> Tensor:
        """(N, 1, 1, C); grows with the image, and is a network's largest value."""
        return torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        response = self.response(x)
        share = response / (response.mean(dim=-1, keepdim=True) + 1e-6)
        return self.weight * (x * share) + self.bias + x


class ConvNextBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.layernorm = LayerNorm(channels)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.grn = GlobalResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layernorm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.pwconv2(self.grn(self.act(self.pwconv1(y))))
        return x + y.permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Halves the resolution, except at the first stage, and goes through its blocks."""

    def __init__(self, channels_in: int, channels: int, depth: int, first: bool):
        super().__init__()
        self.downsampling_layer = nn.Sequential() if first else nn.Sequential(
            ChannelNorm(channels_in), nn.Conv2d(channels_in, channels, 2, stride=2))
        self.layers = nn.Sequential(*(ConvNextBlock(channels) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.downsampling_layer(x))


class Embeddings(nn.Module):
    """Square patches of pixels."""

    def __init__(self, channels: int, patch_size: int):
        super().__init__()
        self.patch_embeddings = nn.Conv2d(1, channels, patch_size, stride=patch_size)
        self.layernorm = ChannelNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        return self.layernorm(self.patch_embeddings(images))


class Encoder(nn.Module):
    def __init__(self, config: PeakNetConfig):
        super().__init__()
        sizes = config.hidden_sizes
        self.stages = nn.ModuleList(
            Stage(sizes[max(s - 1, 0)], sizes[s], config.depths[s], first=s == 0)
            for s in range(len(sizes)))

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


class Backbone(nn.Module):
    """Levels 2 to 5, each through a norm that the next stage does not see."""

    def __init__(self, config: PeakNetConfig):
        super().__init__()
        self.embeddings = Embeddings(config.hidden_sizes[0], config.patch_size)
        self.encoder = Encoder(config)
        self.hidden_states_norms = nn.ModuleDict(
            {f"stage{s}": ChannelNorm(size) for s, size in enumerate(config.hidden_sizes, 1)})

    def forward(self, images: Tensor) -> list[Tensor]:
        outputs = self.encoder(self.embeddings(images))
        return [norm(x) for norm, x in zip(self.hidden_states_norms.values(), outputs)]


# ---------------------------------------------------------------- neck: BiFPN

class SeparableConv(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.depthwise_conv = nn.Conv2d(features, features, 1, groups=features, bias=False)
        self.pointwise_conv = nn.Conv2d(features, features, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))


def fused(weights: Tensor, *inputs: Tensor) -> Tensor:
    """The mean of the inputs under these weights, of which negative ones count as 0."""
    weights = F.relu(weights)
    weights = weights / (weights.sum() + 1e-5)
    return added(weight * x for weight, x in zip(weights.unbind(), inputs))


class BiFPNBlock(nn.Module):
    """p (what comes in) -> m (deep levels told to shallow ones) -> q (and back)."""

    def __init__(self, features: int):
        super().__init__()
        self.w_m = nn.Parameter(torch.ones(3, 2))  # rows: levels 4, 3, 2
        self.w_q = nn.Parameter(torch.ones(3, 3))  # rows: levels 3, 4, 5
        self.register_buffer("w_q_mask", self.mask())
        self.conv = nn.ModuleDict({
            name: nn.Sequential(SeparableConv(features), ChannelNorm(features), nn.GELU())
            for name in ("m2", "m3", "m4", "q3", "q4", "q5")})

    @staticmethod
    def mask() -> Tensor:
        """Of w_q: at level 5, p and m are the same."""
        mask = torch.ones(3, 3, dtype=torch.bool)
        mask[2, 0] = False
        return mask

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        p = dict(zip(LEVELS, levels))
        m = {5: p[5]}
        for i, l in enumerate((4, 3, 2)):
            m[l] = self.conv[f"m{l}"](fused(self.w_m[i], p[l], resized(m[l + 1], 2.0))) + p[l]
        q = {2: m[2]}
        for i, l in enumerate((3, 4, 5)):
            weights = self.w_q[i] * self.w_q_mask[i]
            q[l] = self.conv[f"q{l}"](fused(weights, p[l], m[l], resized(q[l - 1], 0.5))) + p[l]
        return [q[l] for l in LEVELS]


class BiFPN(nn.Module):
    def __init__(self, blocks: int, features: int):
        super().__init__()
        self.blocks = nn.Sequential(*(BiFPNBlock(features) for _ in range(blocks)))

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        return self.blocks(levels)


# ---------------------------------------------------------------- heads and the whole

class LateralHead(nn.Module):
    """Brings a level to level 2, a factor of 2 a layer; level 2 is there and has one layer."""

    def __init__(self, level: int, channels_in: int, channels: int):
        super().__init__()
        self.layers = nn.Sequential()
        for j in range(max(level - 2, 1)):
            layer = [nn.Conv2d(channels if j else channels_in, channels, 3, padding=1),
                     nn.GroupNorm(32, channels), nn.GELU()]
            if level > 2:
                layer.append(nn.Upsample(scale_factor=2.0, mode="bilinear"))
            self.layers.append(nn.Sequential(*layer))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class PeakNet(nn.Module):
    def __init__(self, config: PeakNetConfig):
        super().__init__()
        features, head_features = config.features, config.head_features
        self.patch_size = config.patch_size
        self.backbone = Backbone(config)
        self.backbone_to_bifpn = nn.ModuleList(
            nn.Conv2d(size, features, 1) for size in config.hidden_sizes)
        self.bifpn = BiFPN(config.bifpn_blocks, features)
        self.seg_lateral_layers = nn.ModuleList(
            LateralHead(l, features, head_features) for l in LEVELS)
        self.head_segmask = nn.Conv2d(head_features, CLASSES, 1)
        if config.learned_upsampling:
            self.head_upsample_layer = nn.Sequential(
                nn.ConvTranspose2d(head_features, CLASSES, config.patch_size + 2,
                                   stride=config.patch_size, padding=1))
        else:
            self.head_upsample_layer = None

    def gather(self, images: Tensor) -> Tensor:
        """What all levels have to say, (N, head_features, H / patch_size, W / patch_size)."""
        levels = self.backbone(images)
        levels = self.bifpn([adapt(x) for adapt, x in zip(self.backbone_to_bifpn, levels)])
        return added(head(x) for head, x in zip(self.seg_lateral_layers, levels))

    def decide(self, gathered: Tensor) -> Tensor:
        logits = resized(self.head_segmask(gathered), float(self.patch_size))
        if self.head_upsample_layer is not None:
            logits = logits + self.head_upsample_layer(gathered)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        return self.decide(self.gather(images))
