"""EF-LSTM: an LSTM over words with the frames of each word beside it (Williams et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.model.baselines.sequences import (
    ABSENT,
    ALIGNMENT,
    RealSteps,
    aligned,
    step_counts,
    with_absent,
)
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class EFLSTMSettings:
    """Sizes and dropout; the defaults are those for MOSI."""

    hidden: int = described(128, "width of the LSTM and of the layer behind it", at_least=1)
    layers: int = described(4, "layers of the LSTM", at_least=1)
    dropout: float = described(
        0.5, "dropout between layers of the LSTM and behind it", at_least=0, below=1
    )
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class EFLSTM(nn.Module):
    """x_i = [t_i; a_i; v_i] aligned to the tokens → LSTM → last real state → two linear layers."""

    def __init__(self, settings: EFLSTMSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        # One norm per modality, so that an absent one does not change the others.
        self.norms = nn.ModuleDict()
        for modality in ("text", "audio", "vision"):
            self.norms[modality] = nn.LayerNorm(getattr(widths, modality))
        self.lstm = RealSteps(
            widths.text + widths.audio + widths.vision,
            settings.hidden,
            settings.layers,
            dropout=settings.dropout,
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(settings.hidden, settings.hidden)
        self.out = nn.Linear(settings.hidden, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); an absent modality contributes nothing."""
        features = with_absent(features, self.settings.absent)
        mask, words = aligned_words(features)
        normed = []
        for m, (modality, sequence) in enumerate(words.items()):
            real = mask & features.present[:, m, None]
            normed.append(self.norms[modality](sequence).masked_fill(~real[..., None], 0.0))
        last = self.lstm(torch.cat(normed, dim=2), mask)[1]
        prediction = self.out(self.linear(self.dropout(last)).relu())
        return FusionOutput({"multimodal": prediction})


def aligned_words(features: Features) -> tuple[Tensor, dict[str, Tensor]]:
    """Prepared features → mask of the steps (B, S) and the sequences (B, S, d_m).

    The sequences are in the order of MODALITIES; each is zero where its modality is absent.
    """
    steps = step_counts(features)
    length = max(1, int(steps.max()))
    mask = torch.arange(length, device=steps.device) < steps[:, None]
    words = {
        "text": aligned(features.text, features.text_mask, steps, length),
        "audio": aligned(features.audio, features.audio_mask, steps, length),
        "vision": aligned(features.vision, features.vision_mask, steps, length),
    }
    return mask, words


MODEL = ModelEntry(
    name="ef-lstm",
    summary="EF-LSTM: an LSTM over tokens with their frames",
    settings=EFLSTMSettings,
    network=EFLSTM,
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "hidden": [32, 64, 128, 256],
        "layers": [1, 2, 3, 4],
        "dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Williams et al., Recognizing Emotions in Video, Challenge-HML 2018",
    notes=("LayerNorm for BatchNorm", ALIGNMENT),
)
