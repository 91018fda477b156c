"""Concatenation of one vector per modality, as in LF-DNN (Yu et al., ACL 2020, CH-SIMS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.model.attention import masked_mean
from semanticmac.model.baselines.sequences import (
    ABSENT,
    SubNet,
    TextVector,
    only_present,
    with_absent,
)
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class ConcatSettings:
    """Sizes and dropout; the defaults are those for MOSI."""

    text_lstm: bool = described(
        True, "the text vector is read from an LSTM over the hidden states; off: from one state"
    )
    text_hidden: int = described(128, "width of the LSTM over the hidden states", at_least=1)
    text_out: int = described(256, "width of the text vector", at_least=1)
    audio_hidden: int = described(16, "width of the audio vector", at_least=1)
    vision_hidden: int = described(128, "width of the vision vector", at_least=1)
    post_fusion: int = described(128, "width of the layers behind the concatenation", at_least=1)
    dropout: float = described(0.2, "dropout before the audio and vision nets", at_least=0, below=1)
    post_dropout: float = described(0.2, "dropout on the concatenation", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class Concat(nn.Module):
    """ŷ = W₃·ReLU(W₂·ReLU(W₁·drop([a_h; v_h; t_h])))."""

    def __init__(self, settings: ConcatSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.text = TextVector(
            widths.text, settings.text_hidden, settings.text_out, settings.text_lstm
        )
        self.audio = SubNet(widths.audio, settings.audio_hidden, settings.dropout)
        self.vision = SubNet(widths.vision, settings.vision_hidden, settings.dropout)
        width = settings.audio_hidden + settings.vision_hidden + settings.text_out
        self.post_dropout = nn.Dropout(settings.post_dropout)
        self.post_1 = nn.Linear(width, settings.post_fusion)
        self.post_2 = nn.Linear(settings.post_fusion, settings.post_fusion)
        self.post_3 = nn.Linear(settings.post_fusion, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); an absent modality contributes nothing."""
        features = with_absent(features, self.settings.absent)
        text, audio, vision = three_vectors(self.text, self.audio, self.vision, features)
        joined = torch.cat([audio, vision, text], dim=1)
        hidden = self.post_1(self.post_dropout(joined)).relu()
        prediction = self.post_3(self.post_2(hidden).relu())
        return FusionOutput({"multimodal": prediction})


def three_vectors(
    text_net: nn.Module, audio_net: nn.Module, vision_net: nn.Module, features: Features
) -> tuple[Tensor, Tensor, Tensor]:
    """One vector per modality, as in TFN, LMF and LF-DNN; zero where the modality is absent.

    The nets of audio and vision read the mean of the real frames.
    """
    text = text_net(features)
    audio = audio_net(masked_mean(features.audio, features.audio_mask))
    vision = vision_net(masked_mean(features.vision, features.vision_mask))
    has_text, has_audio, has_vision = features.present.unbind(1)
    return (
        only_present(text, has_text),
        only_present(audio, has_audio),
        only_present(vision, has_vision),
    )


MODEL = ModelEntry(
    name="concat",
    summary="LF-DNN: one vector per modality, concatenated, and an MLP",
    settings=ConcatSettings,
    network=Concat,
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "text_lstm": [True, False],
        "text_out": [32, 128, 256],
        "audio_hidden": [16, 32, 64],
        "vision_hidden": [64, 128, 256],
        "post_fusion": [32, 64, 128],
        "dropout": {"low": 0.0, "high": 0.5},
        "post_dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Yu et al., CH-SIMS, ACL 2020",
    notes=("LayerNorm for BatchNorm",),
)
