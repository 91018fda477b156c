"""Tensor fusion network: the outer product of three vectors (Zadeh et al., EMNLP 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.model.baselines.concat import three_vectors
from semanticmac.model.baselines.sequences import ABSENT, SubNet, TextVector, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class TFNSettings:
    """Sizes and dropout; the defaults are those for MOSI."""

    text_lstm: bool = described(
        True, "the text vector is read from an LSTM over the hidden states; off: from one state"
    )
    text_hidden: int = described(128, "width of the LSTM over the hidden states", at_least=1)
    text_out: int = described(32, "width of the text vector", at_least=1)
    audio_hidden: int = described(32, "width of the audio vector", at_least=1)
    vision_hidden: int = described(128, "width of the vision vector", at_least=1)
    post_fusion: int = described(64, "width of the layers behind the outer product", at_least=1)
    dropout: float = described(0.3, "dropout before the audio and vision nets", at_least=0, below=1)
    post_dropout: float = described(0.5, "dropout on the outer product", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class TFN(nn.Module):
    """z = [1; a_h] ⊗ [1; v_h] ⊗ [1; t_h], then three linear layers."""

    def __init__(self, settings: TFNSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.text = TextVector(
            widths.text, settings.text_hidden, settings.text_out, settings.text_lstm
        )
        self.audio = SubNet(widths.audio, settings.audio_hidden, settings.dropout)
        self.vision = SubNet(widths.vision, settings.vision_hidden, settings.dropout)
        width = (settings.audio_hidden + 1) * (settings.vision_hidden + 1) * (settings.text_out + 1)
        self.post_dropout = nn.Dropout(settings.post_dropout)
        self.post_1 = nn.Linear(width, settings.post_fusion)
        self.post_2 = nn.Linear(settings.post_fusion, settings.post_fusion)
        self.post_3 = nn.Linear(settings.post_fusion, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); an absent modality keeps its 1 alone."""
        features = with_absent(features, self.settings.absent)
        text, audio, vision = three_vectors(self.text, self.audio, self.vision, features)
        tensor = outer_product(with_one(audio), with_one(vision), with_one(text))
        hidden = self.post_1(self.post_dropout(tensor)).relu()
        prediction = self.post_3(self.post_2(hidden).relu())
        return FusionOutput({"multimodal": prediction})


def with_one(vectors: Tensor) -> Tensor:
    """vectors (B, d) → [1; vector] (B, 1 + d)."""
    return F.pad(vectors, (1, 0), value=1.0)


def outer_product(audio: Tensor, vision: Tensor, text: Tensor) -> Tensor:
    """(B, A), (B, V), (B, T) → (B, A·V·T); audio is the slowest axis and text the fastest."""
    pairs = audio[:, :, None] * vision[:, None, :]  # (B, A, V)
    return torch.flatten(pairs[..., None] * text[:, None, None, :], 1)


MODEL = ModelEntry(
    name="tfn",
    summary="TFN: outer product of three vectors",
    settings=TFNSettings,
    network=TFN,
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "text_lstm": [True, False],
        "text_out": [32, 64, 128],
        "audio_hidden": [8, 16, 32],
        "vision_hidden": [32, 64, 128],
        "post_fusion": [16, 32, 64, 128],
        "dropout": {"low": 0.0, "high": 0.5},
        "post_dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Zadeh et al., Tensor Fusion Network, EMNLP 2017",
    notes=("LayerNorm for BatchNorm", "no range of the output"),
)
