"""The architecture of ImageBind's vision and audio encoders, written from the publication.

Girdhar et al., "ImageBind: One Embedding Space To Bind Them All", CVPR 2023. The official weights
are licensed CC BY-NC-SA 4.0. checkpoint.py loads them; this package does not contain them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.preprocess.encoders.imagebind.filterbank import MEL_BINS, SPECTROGRAM_FRAMES

PATCH_PX = 14
AUDIO_PATCH, AUDIO_STRIDE = 16, 10  # Both in mel bins and in spectrogram frames.
_ROWS = (MEL_BINS - AUDIO_PATCH) // AUDIO_STRIDE + 1
_COLUMNS = (SPECTROGRAM_FRAMES - AUDIO_PATCH) // AUDIO_STRIDE + 1
AUDIO_PATCHES = _ROWS * _COLUMNS  # 12 × 19
NORM_EPS = 1e-6  # Of every layer norm except the one on audio patches.


@dataclass(frozen=True)
class TowerConfig:
    """One modality's transformer."""

    width: int  # Of every token.
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
    output: int  # Width of an embedding.
    picture_px: int = 224  # Side of the square picture.

    def __post_init__(self) -> None:
        if self.picture_px % PATCH_PX:
            raise ValueError(
                f"picture_px={self.picture_px} must be divisible by the patch, {PATCH_PX} px"
            )


# The official weights, 719 M parameters.
HUGE = ImageBindConfig(TowerConfig(1280, 32, 16), TowerConfig(768, 12, 12), output=1024)
# 0.6 M parameters.
TINY = ImageBindConfig(TowerConfig(96, 4, 4), TowerConfig(64, 2, 4), output=128, picture_px=112)


class ImageBind(nn.Module):
    """`vision(pictures (N, 3, P, P))` and `audio(spectrograms (N, 1, 128, 204))` → (N, output).

    Both return the output of the modality's head before its L2 normalisation. The official code
    repeats a still picture to two frames, for a kernel that covers two frames. Here the kernel is
    summed over time: the numbers are the same at half the work.
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
    """A pre-norm vision transformer: patches, CLS and positions, blocks, and a head on CLS.

    Vision has a layer norm before the first block. Audio has one on its patches, and a learned
    extra key in every block.
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
        self.blocks = nn.ModuleList()
        for _ in range(config.blocks):
            self.blocks.append(Block(config.width, config.heads, extra_key))
        self.head_norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.head = nn.Linear(config.width, output, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (N, C, H, W) → (N, output), not normalised."""
        patches = self.patches(inputs).flatten(2).transpose(1, 2)  # (N, d, h, w) → (N, h·w, d)
        tokens = self.patch_norm(patches)
        cls_tokens = self.cls_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([cls_tokens, tokens], dim=1)  # (N, 1 + h·w, d)
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
    """Multi-head self-attention; `extra_key` adds one learned key and value for every query."""

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
            extra_keys = self.bias_k.expand(len(tokens), -1, -1)
            extra_values = self.bias_v.expand(len(tokens), -1, -1)
            keys = torch.cat([keys, extra_keys], dim=1)  # (N, T + 1, d)
            values = torch.cat([values, extra_values], dim=1)
        heads = F.scaled_dot_product_attention(
            self._split(queries), self._split(keys), self._split(values)
        )  # (N, h, T, d_h)
        output: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return output

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, T, d) → (N, h, T, d_h)."""
        heads: Tensor = tokens.unflatten(2, (self.heads, -1))  # type: ignore[no-untyped-call]
        return heads.transpose(1, 2)


def draw_weights(model: ImageBind, seed: int) -> None:
    """Fills a model with fixed random weights, the same bits on every machine.

    Only exactly specified operations are used: the raw integers of PCG64 (NumPy guarantees this
    stream), their upper 24 bits as a float32 in [−1, 1), and one float32 product. Matrices and
    kernels have variance 1 / fan-in, so that the signal keeps its size through the blocks. Tokens
    and positions are in ±0.5; norms are 1 and biases 0. The global random state is not used.
    """
    stream = np.random.PCG64(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if "norm" in name or name.endswith("bias"):
                weight.fill_(1.0 if name.endswith("weight") else 0.0)
                continue
            scale = 0.5 if weight.shape[0] == 1 else float(np.sqrt(3.0 / weight[0].numel()))
            integers = stream.random_raw(weight.numel()) >> np.uint64(40)
            values = integers.astype(np.float32)  # Exact: below 2²⁴.
            draw = (values / np.float32(2**23) - np.float32(1)) * np.float32(scale)
            weight.copy_(torch.from_numpy(draw).view_as(weight))
