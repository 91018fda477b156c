"""Weighted sum of one vector per modality: the baseline of the MER challenges (Lian et al.)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from semanticmac.model.attention import masked_mean
from semanticmac.model.baselines.sequences import ABSENT, only_present, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class AttentionSettings:
    """Sizes and dropout of the attention baseline."""

    hidden: int = described(
        128, "width of each vector; the challenges try 64, 128 and 256", at_least=1
    )
    softmax: bool = described(False, "softmax over the weights of the three modalities")
    dropout: float = described(0.3, "dropout before each layer stack", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class Attention(nn.Module):
    """e_m = MLP_m(m); w = W·MLP([e_a; e_t; e_v]); f = Σ_m w_m e_m; ŷ = Linear(f)."""

    def __init__(self, settings: AttentionSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        hidden, dropout = settings.hidden, settings.dropout
        self.text = two_layers(widths.text, hidden, dropout)
        self.audio = two_layers(widths.audio, hidden, dropout)
        self.vision = two_layers(widths.vision, hidden, dropout)
        self.weigh = two_layers(3 * hidden, hidden, dropout)
        self.to_weights = nn.Linear(hidden, 3)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); an absent modality has the weight 0."""
        features = with_absent(features, self.settings.absent)
        present = features.present  # (B, 3): text, audio, vision
        text = self.text(features.text_state())
        audio = self.audio(masked_mean(features.audio, features.audio_mask))
        vision = self.vision(masked_mean(features.vision, features.vision_mask))
        text = only_present(text, present[:, 0])
        audio = only_present(audio, present[:, 1])
        vision = only_present(vision, present[:, 2])

        weights = self.to_weights(self.weigh(torch.cat([audio, text, vision], dim=1)))  # (B, 3)
        if self.settings.softmax:
            present_ordered = present[:, [1, 0, 2]]
            lowest = torch.finfo(weights.dtype).min
            weights = weights.masked_fill(~present_ordered, lowest).softmax(1)
        fused = (weights[:, :, None] * torch.stack([audio, text, vision], dim=1)).sum(1)
        return FusionOutput({"multimodal": self.head(fused)})


def two_layers(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """Dropout, then two linear maps, each with a ReLU behind it: (B, width) → (B, hidden)."""
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
    )


MODEL = ModelEntry(
    name="attention",
    summary="weighted sum of one vector per modality (MER challenges)",
    settings=AttentionSettings,
    network=Attention,
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "hidden": [64, 128, 256],
        "softmax": [True, False],
        "dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Lian et al., MER 2023, ACM MM 2023",
)
