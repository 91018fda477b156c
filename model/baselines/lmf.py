"""Low-rank fusion: the outer product of TFN in factors (Liu et al., ACL 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.model.baselines.concat import three_vectors
from semanticmac.model.baselines.sequences import ABSENT, SubNet, TextVector, with_absent
from semanticmac.model.baselines.tfn import with_one
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class LMFSettings:
    """Sizes and dropout; the defaults are those for MOSI."""

    text_lstm: bool = described(
        True, "the text vector is read from an LSTM over the hidden states; off: from one state"
    )
    text_hidden: int = described(128, "width of the LSTM over the hidden states", at_least=1)
    text_out: int = described(64, "width of the text vector", at_least=1)
    audio_hidden: int = described(16, "width of the audio vector", at_least=1)
    vision_hidden: int = described(128, "width of the vision vector", at_least=1)
    rank: int = described(3, "R, number of factors of each modality", at_least=1)
    dropout: float = described(0.3, "dropout before the audio and vision nets", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class LMF(nn.Module):
    """ŷ_k = Σ_r w_r · Π_m ([1; m_h]·W_m)_{r,k} + b_k with W_m (R, d_m + 1, K)."""

    def __init__(self, settings: LMFSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.text = TextVector(
            widths.text, settings.text_hidden, settings.text_out, settings.text_lstm
        )
        self.audio = SubNet(widths.audio, settings.audio_hidden, settings.dropout)
        self.vision = SubNet(widths.vision, settings.vision_hidden, settings.dropout)
        self.audio_factor = factor(settings.rank, settings.audio_hidden, outputs)
        self.vision_factor = factor(settings.rank, settings.vision_hidden, outputs)
        self.text_factor = factor(settings.rank, settings.text_out, outputs)
        self.rank_weights = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, settings.rank)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); an absent modality keeps its 1 alone."""
        features = with_absent(features, self.settings.absent)
        text, audio, vision = three_vectors(self.text, self.audio, self.vision, features)
        product = (
            apply_factor(audio, self.audio_factor)
            * apply_factor(vision, self.vision_factor)
            * apply_factor(text, self.text_factor)
        )  # (B, R, K)
        prediction = (self.rank_weights[0, :, None] * product).sum(1) + self.bias
        return FusionOutput({"multimodal": prediction})


def factor(rank: int, width: int, outputs: int) -> nn.Parameter:
    """The factor of one modality, (R, d + 1, K)."""
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(rank, width + 1, outputs)))


def apply_factor(vectors: Tensor, weights: Tensor) -> Tensor:
    """vectors (B, d), weights (R, d + 1, K) → [1; vector]·W (B, R, K)."""
    return torch.einsum("bd,rdk->brk", with_one(vectors), weights)


MODEL = ModelEntry(
    name="lmf",
    summary="LMF: outer product of three vectors in low-rank factors",
    settings=LMFSettings,
    network=LMF,
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "text_lstm": [True, False],
        "text_out": [32, 64, 128],
        "audio_hidden": [8, 16, 32],
        "vision_hidden": [32, 64, 128],
        "rank": [3, 4, 5, 6],
        "dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Liu et al., Efficient Low-rank Multimodal Fusion, ACL 2018",
    notes=("LayerNorm for BatchNorm", "the factors have no learning rate of their own"),
)
