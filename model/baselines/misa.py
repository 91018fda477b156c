"""MISA: modality-invariant and modality-specific vectors (Hazarika et al., ACM MM 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.attention_layers import MultiHeadAttention
from semanticmac.model.baselines.sequences import ABSENT, RealSteps, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described

# The order of the modalities in the sequence of six vectors.
ORDER = ("text", "vision", "audio")


@dataclass(frozen=True)
class MISASettings:
    """Sizes, dropout and loss weights; the defaults are MMSA's for MOSI."""

    hidden: int = described(128, "width of the private and shared vectors", at_least=1)
    frame_width: int = described(
        128, "frames are projected to this width before the LSTMs; 0: not projected", at_least=0
    )
    heads: int = described(2, "attention heads; they divide `hidden`", at_least=1)
    feed_forward: int = described(2048, "hidden width of the transformer layer", at_least=1)
    dropout: float = described(0.2, "dropout of the last layers", at_least=0, below=1)
    transformer_dropout: float = described(
        0.1, "dropout of the transformer layer", at_least=0, below=1
    )
    diff_weight: float = described(0.1, "weight of the difference loss", at_least=0)
    sim_weight: float = described(0.3, "weight of the similarity loss (CMD)", at_least=0)
    recon_weight: float = described(1.0, "weight of the reconstruction loss", at_least=0)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.hidden % self.heads:
            raise ValueError(f"hidden={self.hidden} must be divisible by heads={self.heads}")


class MISA(nn.Module):
    """p_m = LN(ReLU(W u_m)); s_m = σ(W_m p_m); c_m = σ(W p_m); a transformer layer over the six."""

    def __init__(self, settings: MISASettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        h = settings.hidden
        self.utterance = nn.ModuleDict()
        self.project = nn.ModuleDict()
        self.private = nn.ModuleDict()
        self.reconstruct = nn.ModuleDict()
        for modality in MODALITIES:
            width = getattr(widths, modality)
            if modality != "text":
                encoder = FrameLSTMs(width, settings.frame_width)
                self.utterance[modality] = encoder
                width = encoder.out
            self.project[modality] = nn.Sequential(nn.Linear(width, h), nn.ReLU(), nn.LayerNorm(h))
            self.private[modality] = nn.Linear(h, h)
            self.reconstruct[modality] = nn.Linear(h, h)
        self.shared = nn.Linear(h, h)
        self.transformer = PostNormLayer(settings)
        self.dropout = nn.Dropout(settings.dropout)
        self.fusion_1 = nn.Linear(6 * h, 3 * h)
        self.fusion_2 = nn.Linear(3 * h, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K), and the vectors that the losses compare.

        States: `projected.m` p_m, `private.m` s_m, `shared.m` c_m, `reconstructed.m`, each (B, h).
        The vectors of an absent modality are zero and are not attended to.
        """
        features = with_absent(features, self.settings.absent)
        present = dict(zip(MODALITIES, features.present.unbind(1), strict=True))
        utterances = {
            "text": features.text_state(),
            "audio": self.utterance["audio"](features.audio, features.audio_mask),
            "vision": self.utterance["vision"](features.vision, features.vision_mask),
        }
        states = {}
        for modality in MODALITIES:
            p = self.project[modality](utterances[modality])
            absent = ~present[modality][:, None]
            private = self.private[modality](p).sigmoid().masked_fill(absent, 0.0)
            shared = self.shared(p).sigmoid().masked_fill(absent, 0.0)
            states[f"projected.{modality}"] = p
            states[f"private.{modality}"] = private
            states[f"shared.{modality}"] = shared
            states[f"reconstructed.{modality}"] = self.reconstruct[modality](private + shared)

        vectors, real = [], []
        for space in ("private", "shared"):
            for modality in ORDER:
                vectors.append(states[f"{space}.{modality}"])
                real.append(present[modality])
        mask = torch.stack(real, dim=1)  # (B, 6)
        fused = self.transformer(torch.stack(vectors, dim=1), mask)  # (B, 6, h)
        joined = fused.masked_fill(~mask[..., None], 0.0).flatten(1)
        prediction = self.fusion_2(self.dropout(self.fusion_1(joined)).relu())
        return FusionOutput({"multimodal": prediction}, states)


class FrameLSTMs(nn.Module):
    """Two stacked LSTMs of both directions → [h¹ forward; h² forward; h¹ backward; h² backward]."""

    def __init__(self, width: int, frame_width: int) -> None:
        """frame_width: the width of the LSTMs and of their input; 0 is the width of the frames."""
        super().__init__()
        self.narrow = nn.Linear(width, frame_width) if frame_width else nn.Identity()
        width = frame_width or width
        self.out = 4 * width
        self.first = RealSteps(width, width, both_directions=True)
        self.norm = nn.LayerNorm(2 * width)
        self.second = RealSteps(2 * width, width, both_directions=True)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """frames (B, F, E), mask (B, F), real ones first → (B, 4·width)."""
        outputs, first = self.first(self.narrow(frames), mask)
        second = self.second(self.norm(outputs), mask)[1]
        first_ahead, first_back = first.chunk(2, dim=1)
        second_ahead, second_back = second.chunk(2, dim=1)
        return torch.cat([first_ahead, second_ahead, first_back, second_back], dim=1)


class PostNormLayer(nn.Module):
    """One transformer layer in the original order: attention, norm, feed-forward block, norm."""

    def __init__(self, settings: MISASettings) -> None:
        super().__init__()
        h, dropout = settings.hidden, settings.transformer_dropout
        self.attention = MultiHeadAttention(
            h, settings.heads, h // settings.heads, bias=True, dropout=dropout
        )
        self.norm_1 = nn.LayerNorm(h)
        self.inner = nn.Linear(h, settings.feed_forward)
        self.outer = nn.Linear(settings.feed_forward, h)
        self.norm_2 = nn.LayerNorm(h)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, h), mask (B, T), True = may be attended to → (B, T, h)."""
        attended = self.attention(x, x, x, mask[:, None])
        x = self.norm_1(x + self.dropout(attended))
        hidden = self.outer(self.dropout(self.inner(x).relu()))
        result: Tensor = self.norm_2(x + self.dropout(hidden))
        return result


MODEL = ModelEntry(
    name="misa",
    summary="MISA: private and shared vectors of each modality",
    settings=MISASettings,
    network=MISA,
    objective="misa",
    space={
        "lr_rest": {"low": 5e-5, "high": 2e-3, "log": True},
        "hidden": [64, 128, 256],
        "frame_width": [64, 128],
        "dropout": {"low": 0.0, "high": 0.5},
        "diff_weight": {"low": 0.1, "high": 0.5},
        "sim_weight": {"low": 0.1, "high": 1.0},
        "recon_weight": {"low": 0.1, "high": 1.0},
    },
    reference="Hazarika et al., MISA, ACM MM 2020",
    notes=("frames are projected before the LSTMs",),
)
