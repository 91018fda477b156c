"""One modality alone: the mean of its hidden states or frames, and one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from semanticmac.model.attention import masked_mean
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class TextSettings:
    """Settings of the model that reads the text alone."""

    dropout: float = described(0.1, "dropout before the head", at_least=0, below=1)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class FramesSettings:
    """Settings of the models that read audio or vision alone."""

    hidden: int = described(128, "hidden width of the MLP", at_least=1)
    dropout: float = described(0.2, "dropout in the MLP", at_least=0, below=1)

    def __post_init__(self) -> None:
        check_settings(self)


class TextOnly(nn.Module):
    """ŷ = W · drop(state of the text)."""

    def __init__(self, settings: TextSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(widths.text, outputs)

    def forward(self, features: Features) -> FusionOutput:
        pooled = features.text_state()  # (B, D_t)
        return FusionOutput({"multimodal": self.head(self.dropout(pooled))})


class FramesOnly(nn.Module):
    """ŷ = W₂ · drop(ReLU(W₁ · drop(LN(mean of the real frames)))) of audio or vision."""

    def __init__(
        self,
        modality: Literal["audio", "vision"],
        settings: FramesSettings,
        width: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.modality = modality
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Dropout(settings.dropout),
            nn.Linear(width, settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, outputs),
        )

    def forward(self, features: Features) -> FusionOutput:
        frames, mask = features.audio, features.audio_mask
        if self.modality == "vision":
            frames, mask = features.vision, features.vision_mask
        prediction: Tensor = self.layers(masked_mean(frames, mask))
        return FusionOutput({"multimodal": prediction})


def audio_only(settings: FramesSettings, widths: Widths, outputs: int) -> FramesOnly:
    return FramesOnly("audio", settings, widths.audio, outputs)


def vision_only(settings: FramesSettings, widths: Widths, outputs: int) -> FramesOnly:
    return FramesOnly("vision", settings, widths.vision, outputs)


_RATES = {"lr_rest": {"low": 1e-4, "high": 5e-3, "log": True}}
_FRAMES_SPACE = _RATES | {"hidden": [64, 128, 256], "dropout": {"low": 0.0, "high": 0.5}}

TEXT = ModelEntry(
    name="text",
    summary="text alone: language model and one head",
    settings=TextSettings,
    network=TextOnly,
    modalities=("text",),
    space=_RATES | {"dropout": {"low": 0.0, "high": 0.5}},
)
AUDIO = ModelEntry(
    name="audio",
    summary="audio alone: mean of the frames and an MLP",
    settings=FramesSettings,
    network=audio_only,
    modalities=("audio",),
    space=_FRAMES_SPACE,
)
VISION = ModelEntry(
    name="vision",
    summary="vision alone: mean of the frames and an MLP",
    settings=FramesSettings,
    network=vision_only,
    modalities=("vision",),
    space=_FRAMES_SPACE,
)
