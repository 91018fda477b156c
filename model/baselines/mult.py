"""MulT: every modality reads the two others, frame by frame (Tsai et al., ACL 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.attention_layers import MultiHeadAttention
from semanticmac.model.baselines.sequences import ABSENT, last_token, only_present, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described

# The two sources of each target, in the order in which their streams are joined.
SOURCES = {"text": ("audio", "vision"), "audio": ("text", "vision"), "vision": ("text", "audio")}
# The encoders over the joined streams have at least this many layers.
FEWEST_MEMORY_LAYERS = 3


@dataclass(frozen=True)
class MulTSettings:
    """Sizes and dropout; the defaults are those for MOSI."""

    width: int = described(50, "d, width of each stream", at_least=1)
    heads: int = described(10, "attention heads; they divide the width", at_least=1)
    layers: int = described(4, "layers of each cross-modal encoder", at_least=1)
    text_kernel: int = described(5, "tokens that the convolution of the text reads", at_least=1)
    audio_kernel: int = described(5, "frames that the convolution of audio reads", at_least=1)
    vision_kernel: int = described(5, "frames that the convolution of vision reads", at_least=1)
    positions: bool = described(True, "sinusoidal positions of tokens and frames")
    triangular_mask: bool = described(
        False, "step i reads no further than step i + |difference of the lengths|"
    )
    attention_dropout: float = described(
        0.3, "dropout of attention weights, target text and the joined streams", at_least=0, below=1
    )
    audio_attention_dropout: float = described(
        0.2, "dropout of attention weights, target audio", at_least=0, below=1
    )
    vision_attention_dropout: float = described(
        0.0, "dropout of attention weights, target vision", at_least=0, below=1
    )
    relu_dropout: float = described(0.0, "dropout inside feed-forward blocks", at_least=0, below=1)
    embed_dropout: float = described(0.2, "dropout of the inputs of encoders", at_least=0, below=1)
    residual_dropout: float = described(0.0, "dropout on residual branches", at_least=0, below=1)
    text_dropout: float = described(0.5, "dropout of the hidden states", at_least=0, below=1)
    output_dropout: float = described(0.5, "dropout inside the last block", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.width % self.heads:
            raise ValueError(f"width={self.width} must be divisible by heads={self.heads}")


class MulT(nn.Module):
    """Six cross-modal encoders, three encoders over the joined streams, one residual block."""

    def __init__(self, settings: MulTSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        d = settings.width
        self.text_dropout = nn.Dropout(settings.text_dropout)
        self.projections = nn.ModuleDict()
        for modality in MODALITIES:
            kernel = getattr(settings, f"{modality}_kernel")
            self.projections[modality] = nn.Conv1d(getattr(widths, modality), d, kernel, bias=False)
        self.cross = nn.ModuleDict()
        self.memory = nn.ModuleDict()
        for target, sources in SOURCES.items():
            dropout = settings.attention_dropout
            if target != "text":
                dropout = getattr(settings, f"{target}_attention_dropout")
            for source in sources:
                self.cross[f"{target}_{source}"] = Encoder(settings, d, settings.layers, dropout)
            self.memory[target] = Encoder(
                settings,
                2 * d,
                max(settings.layers, FEWEST_MEMORY_LAYERS),
                settings.attention_dropout,
            )
        self.block_1 = nn.Linear(6 * d, 6 * d)
        self.block_2 = nn.Linear(6 * d, 6 * d)
        self.output_dropout = nn.Dropout(settings.output_dropout)
        self.out = nn.Linear(6 * d, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K).

        A stream without its source is zero, and so is the vector of an absent target.
        """
        features = with_absent(features, self.settings.absent)
        present = dict(zip(MODALITIES, features.present.unbind(1), strict=True))
        streams, masks = self.project(features)

        vectors = []
        for target, sources in SOURCES.items():
            mask = masks[target]
            joined = []
            for source in sources:
                encoder = self.cross[f"{target}_{source}"]
                stream = encoder(streams[target], mask, streams[source], masks[source])
                joined.append(stream.masked_fill(~present[source][:, None, None], 0.0))
            both = torch.cat(joined, dim=2)  # (B, T, 2d)
            memory = self.memory[target](both, mask)
            vectors.append(only_present(last_token(memory, mask), present[target]))

        last = torch.cat(vectors, dim=1)  # (B, 6d)
        hidden = self.block_2(self.output_dropout(self.block_1(last).relu()))
        return FusionOutput({"multimodal": self.out(last + hidden)})

    def project(self, features: Features) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The convolution of each modality: streams (B, T_m, d) and their masks (B, T_m).

        A kernel of k frames reads real frames only, so n frames become n − k + 1; a clip of fewer
        than k frames is filled with zeros up to k and becomes one.
        """
        streams, masks = {}, {}
        for modality in MODALITIES:
            frames, mask = getattr(features, modality), getattr(features, f"{modality}_mask")
            if modality == "text":
                frames = self.text_dropout(frames)
            kernel = getattr(self.settings, f"{modality}_kernel")
            missing = max(0, kernel - frames.shape[1])
            projection = self.projections[modality]
            stream = projection(F.pad(frames, (0, 0, 0, missing)).mT).mT  # (B, T, d)
            count = mask.sum(1, keepdim=True)  # (B, 1)
            real = (count - kernel + 1).clamp(min=1).minimum(count)
            masks[modality] = torch.arange(stream.shape[1], device=mask.device) < real
            streams[modality] = stream.masked_fill(~masks[modality][..., None], 0.0)
        return streams, masks


class Encoder(nn.Module):
    """A pre-norm transformer. Its layers read a low-level source, or their own input."""

    def __init__(self, settings: MulTSettings, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.positions, self.triangular = settings.positions, settings.triangular_mask
        self.scale = math.sqrt(width)
        self.dropout = nn.Dropout(settings.embed_dropout)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            self.layers.append(EncoderLayer(settings, width, dropout))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        target: Tensor,
        mask: Tensor,
        source: Tensor | None = None,
        source_mask: Tensor | None = None,
    ) -> Tensor:
        """target (B, T, d), mask (B, T), source (B, S, d), source_mask (B, S) → (B, T, d).

        Every layer reads the embedded source. Without a source a layer reads its own input.
        """
        if source_mask is None:
            source_mask = mask
        may_attend = source_mask[:, None, :]
        if self.triangular:
            may_attend = may_attend & triangle(mask, source_mask)
        x = self.embed(target)
        z = None if source is None else self.embed(source)
        for layer in self.layers:
            x = layer(x, x if z is None else z, may_attend)
        result: Tensor = self.norm(x)
        return result

    def embed(self, tokens: Tensor) -> Tensor:
        """√d · tokens, plus positions, with dropout."""
        scaled = self.scale * tokens
        if self.positions:
            scaled = scaled + sinusoids(tokens.shape[1], tokens.shape[2]).to(scaled)
        dropped: Tensor = self.dropout(scaled)
        return dropped


class EncoderLayer(nn.Module):
    """X ← X + MHA(LN X, LN Z, LN Z), X ← X + FFN(LN X); one norm serves X and Z."""

    def __init__(self, settings: MulTSettings, width: int, dropout: float) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.norm_2 = nn.LayerNorm(width)
        heads = settings.heads
        self.attention = MultiHeadAttention(
            width, heads, width // heads, bias=True, dropout=dropout
        )
        self.inner = nn.Linear(width, 4 * width)
        self.outer = nn.Linear(4 * width, width)
        self.relu_dropout = nn.Dropout(settings.relu_dropout)
        self.dropout = nn.Dropout(settings.residual_dropout)

    def forward(self, x: Tensor, z: Tensor, may_attend: Tensor) -> Tensor:
        """x (B, T, d), z (B, S, d), may_attend broadcastable to (B, T, S) → (B, T, d)."""
        source = self.norm_1(z)
        x = x + self.dropout(self.attention(self.norm_1(x), source, source, may_attend))
        hidden = self.relu_dropout(self.inner(self.norm_2(x)).relu())
        result: Tensor = x + self.dropout(self.outer(hidden))
        return result


def triangle(mask: Tensor, source_mask: Tensor) -> Tensor:
    """Which steps j a step i reads under the original's mask: j ≤ i + |n_T − n_S|; (B, T, S)."""
    difference = (mask.sum(1) - source_mask.sum(1)).abs()[:, None, None]
    step = torch.arange(mask.shape[1], device=mask.device)[:, None]
    source = torch.arange(source_mask.shape[1], device=mask.device)
    return source <= step + difference


def sinusoids(length: int, width: int) -> Tensor:
    """Positions 1 … length as (length, width) float64: all sines, then all cosines.

    The frequencies are 10000^(−j/(d/2 − 1)) for j < d/2; a last odd column is zero.
    """
    half = width // 2
    exponents = torch.arange(half, dtype=torch.float64) / max(1, half - 1)
    angles = torch.arange(1, length + 1, dtype=torch.float64)[:, None] * 10000.0**-exponents
    table = torch.cat([angles.sin(), angles.cos()], dim=1)
    return F.pad(table, (0, width - 2 * half))


MODEL = ModelEntry(
    name="mult",
    summary="MulT: cross-modal transformers between all pairs",
    settings=MulTSettings,
    network=MulT,
    space={
        "lr_rest": {"low": 1e-4, "high": 3e-3, "log": True},
        "layers": [2, 3, 4],
        "text_kernel": [1, 3, 5],
        "audio_kernel": [1, 3, 5],
        "vision_kernel": [1, 3, 5],
        "attention_dropout": {"low": 0.0, "high": 0.4},
        "audio_attention_dropout": {"low": 0.0, "high": 0.2},
        "vision_attention_dropout": {"low": 0.0, "high": 0.2},
        "embed_dropout": {"low": 0.0, "high": 0.3},
        "residual_dropout": {"low": 0.0, "high": 0.3},
        "text_dropout": {"low": 0.0, "high": 0.5},
        "output_dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Tsai et al., Multimodal Transformer, ACL 2019",
    notes=("padding is masked", "positions as in the authors' code, no triangular mask"),
)
