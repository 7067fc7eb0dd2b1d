#!/usr/bin/env python3
"""Makes small TorchScript files, good and bad ones, and what PyTorch itself answers.

usage: make_models.py DIRECTORY

bright.pt          one 3x3 convolution, logits (N, 2, H, W)
bright_bf16.pt     the same, answering in bfloat16
tie.pt             two equal logits everywhere
three_classes.pt   logits (N, 3, H, W)
half_size.pt       logits (N, 2, H/2, W/2)
tuple.pt           answers a tuple
colour.pt          wants three channels
corrupt.pt         half of bright.pt
input.f32          float32 (3, 1, 24, 40)
logits.f32         float32 (3, 2, 24, 40), bright.pt's answer to it
"""
import pathlib
import sys

import torch


class Bright(torch.nn.Module):
    def __init__(self, channels=1, classes=2, stride=1, answer=torch.float32):
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, classes, 3, stride=stride, padding=1)
        self.answer: torch.dtype = answer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).to(self.answer)


class Tie(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x], dim=1)


class Pair(torch.nn.Module):
    def forward(self, x: torch.Tensor):
        return x, x


def main():
    directory = pathlib.Path(sys.argv[1])
    torch.manual_seed(3)

    def save(module, name):
        torch.jit.script(module.eval()).save(str(directory / name))

    bright = Bright()
    save(bright, "bright.pt")
    rounded = Bright(answer=torch.bfloat16)
    rounded.load_state_dict(bright.state_dict())
    save(rounded, "bright_bf16.pt")
    save(Tie(), "tie.pt")
    save(Bright(classes=3), "three_classes.pt")
    save(Bright(stride=2), "half_size.pt")
    save(Pair(), "tuple.pt")
    save(Bright(channels=3), "colour.pt")
    good = (directory / "bright.pt").read_bytes()
    (directory / "corrupt.pt").write_bytes(good[: len(good) // 2])

    images = torch.randn(3, 1, 24, 40)
    with torch.inference_mode():
        logits = bright(images)
    images.numpy().tofile(directory / "input.f32")
    logits.numpy().tofile(directory / "logits.f32")


if __name__ == "__main__":
    main()
