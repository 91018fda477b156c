"""The architecture of ImageBind's vision and audio encoders, written from its published facts.

Girdhar et al., "ImageBind: One Embedding Space To Bind Them All", CVPR 2023. The official weights
are licensed CC BY-NC-SA 4.0; this code loads them (checkpoint.py) and ships none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.preprocess.encoders.imagebind.filterbank import MEL_BINS, SPECTROGRAM_FRAMES

PATCH_PX = 14
AUDIO_PATCH, AUDIO_STRIDE = 16, 10  # in mel bins and in spectrogram frames alike
_ROWS, _COLUMNS = (
    (size - AUDIO_PATCH) // AUDIO_STRIDE + 1 for size in (MEL_BINS, SPECTROGRAM_FRAMES)
)
AUDIO_PATCHES = _ROWS * _COLUMNS  # 12 × 19
NORM_EPS = 1e-6  # of every layer norm but the one on audio patches


@dataclass(frozen=True)
class TowerConfig:
    """One modality's transformer."""

    width: int  # of every token
    blocks: int
    heads: int

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(f"width={self.width} must be divisible by heads={self.heads}")


@dataclass(frozen=True)
class ImageBindConfig:
    """Both encoders. Its digest is part of every cache's fingerprint."""

    vision: TowerConfig
    audio: TowerConfig
    output: int  # width of an embedding
    picture_px: int = 224  # side of the square picture

    def __post_init__(self) -> None:
        if self.picture_px % PATCH_PX:
            raise ValueError(
                f"picture_px={self.picture_px} must be divisible by the patch, {PATCH_PX} px"
            )


HUGE = ImageBindConfig(
    TowerConfig(1280, 32, 16), TowerConfig(768, 12, 12), output=1024
)  # the official weights, 719 M
TINY = ImageBindConfig(
    TowerConfig(96, 4, 4), TowerConfig(64, 2, 4), output=128, picture_px=112
)  # 0.6 M


class ImageBind(nn.Module):
    """`vision(pictures (N, 3, P, P))` and `audio(spectrograms (N, 1, 128, 204))` → (N, output).

    Both give the output of the modality's head before its L2 normalisation. Officially a still
    picture is repeated to two frames for a kernel two frames deep; with the kernel summed over
    time, as here, the numbers are the same and the work is half.
    """

    vision: Tower
    audio: Tower

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        self.config = config
        pixels = nn.Conv2d(3, config.vision.width, PATCH_PX, stride=PATCH_PX, bias=False)
        patches = (config.picture_px // PATCH_PX) ** 2
        self.vision = Tower(config.vision, pixels, patches, config.output)
        self.vision.first_norm = nn.LayerNorm(config.vision.width, eps=NORM_EPS)
        mels = nn.Conv2d(1, config.audio.width, AUDIO_PATCH, stride=AUDIO_STRIDE, bias=False)
        self.audio = Tower(config.audio, mels, AUDIO_PATCHES, config.output, extra_key=True)
        self.audio.patch_norm = nn.LayerNorm(config.audio.width)


class Tower(nn.Module):
    """A pre-norm vision transformer: patches, CLS and positions, blocks, and the modality's head on CLS.

    Vision has a layer norm before the first block, audio one on its patches and a learned extra key
    in every block.
    """

    def __init__(
        self,
        config: TowerConfig,
        patches: nn.Conv2d,
        count: int,
        output: int,
        extra_key: bool = False,
    ) -> None:
        super().__init__()
        self.patches = patches
        self.patch_norm: nn.Module = nn.Identity()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + count, config.width))
        self.first_norm: nn.Module = nn.Identity()
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, extra_key) for _ in range(config.blocks)
        )
        self.head_norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.head = nn.Linear(config.width, output, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (N, C, H, W) → (N, output), not normalised."""
        tokens = self.patch_norm(
            self.patches(inputs).flatten(2).transpose(1, 2)
        )  # (N, d, h, w) → (N, h·w, d)
        tokens = torch.cat(
            [self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1
        )  # (N, 1 + h·w, d)
        tokens = self.first_norm(tokens + self.positions)
        for block in self.blocks:
            tokens = block(tokens)
        output: Tensor = self.head(self.head_norm(tokens[:, 0]))
        return output


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), with exact GELU."""

    def __init__(self, width: int, heads: int, extra_key: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = Attention(width, heads, extra_key)
        self.norm_2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (N, T, d) → (N, T, d)."""
        tokens = tokens + self.attention(self.norm_1(tokens))
        output: Tensor = tokens + self.fc2(F.gelu(self.fc1(self.norm_2(tokens))))
        return output


class Attention(nn.Module):
    """Multi-head self-attention; with `extra_key`, one learned key and value that every query may also attend to."""

    def __init__(self, width: int, heads: int, extra_key: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.bias_k = nn.Parameter(torch.zeros(1, 1, width)) if extra_key else None
        self.bias_v = nn.Parameter(torch.zeros(1, 1, width)) if extra_key else None

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (N, T, d) → (N, T, d): softmax(Q Kᵀ / √d_h) V in every head."""
        queries, keys, values = self.in_proj(tokens).chunk(3, dim=2)
        if self.bias_k is not None and self.bias_v is not None:
            keys = torch.cat(
                [keys, self.bias_k.expand(len(tokens), -1, -1)], dim=1
            )  # (N, T + 1, d)
            values = torch.cat([values, self.bias_v.expand(len(tokens), -1, -1)], dim=1)
        split = [
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (queries, keys, values)
        ]
        heads = F.scaled_dot_product_attention(*split)  # (N, h, T, d_h)
        output: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return output


def draw_weights(model: ImageBind, seed: int) -> None:
    """Fills a model with a fixed random draw: the same bits on every machine, no global random state touched.

    Only what is exactly specified is used: PCG64's raw integers (a stream that NumPy promises to
    keep), their upper 24 bits as a float32 in [−1, 1), and one float32 product. Matrices and
    kernels have variance 1 / fan-in, so that the signal keeps its size through the blocks; tokens
    and positions are ±0.5; norms are 1 and biases 0.
    """
    stream = np.random.PCG64(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if "norm" in name or name.endswith("bias"):
                weight.fill_(1.0 if name.endswith("weight") else 0.0)
                continue
            scale = 0.5 if weight.shape[0] == 1 else float(np.sqrt(3.0 / weight[0].numel()))
            integers = (stream.random_raw(weight.numel()) >> np.uint64(40)).astype(
                np.float32
            )  # exact: below 2²⁴
            draw = (integers / np.float32(2**23) - np.float32(1)) * np.float32(scale)
            weight.copy_(torch.from_numpy(draw).view_as(weight))
