"""Self-MM: a multimodal head and one per modality on labels of its own (Yu et al., AAAI 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.sequences import ABSENT, RealSteps, only_present, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class SelfMMSettings:
    """Sizes, dropout and the label rule; the defaults are those for MOSI."""

    audio_hidden: int = described(16, "width of the LSTM over audio", at_least=1)
    vision_hidden: int = described(32, "width of the LSTM over vision", at_least=1)
    audio_out: int = described(16, "width of the audio vector", at_least=1)
    vision_out: int = described(32, "width of the vision vector", at_least=1)
    fusion_feature: int = described(128, "width of the multimodal feature", at_least=1)
    text_feature: int = described(32, "width of the text feature", at_least=1)
    audio_feature: int = described(16, "width of the audio feature", at_least=1)
    vision_feature: int = described(32, "width of the vision feature", at_least=1)
    fusion_dropout: float = described(0.0, "dropout of the joined vectors", at_least=0, below=1)
    text_dropout: float = described(0.1, "dropout of the text vector", at_least=0, below=1)
    audio_dropout: float = described(0.1, "dropout of the audio vector", at_least=0, below=1)
    vision_dropout: float = described(0.0, "dropout of the vision vector", at_least=0, below=1)
    label_limit: float = described(
        0.0, "H, greatest absolute label; 0: that of the train clips", at_least=0
    )
    zero_is_positive: bool = described(False, "a score of 0 counts for the positive centre")
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class SelfMM(nn.Module):
    """Four heads: f_s = ReLU(W₁·drop x_s), ŷ_s = W₃·ReLU(W₂ f_s) for s ∈ {M, t, a, v}."""

    def __init__(self, settings: SelfMMSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.audio_lstm = RealSteps(widths.audio, settings.audio_hidden)
        self.audio_linear = nn.Linear(settings.audio_hidden, settings.audio_out)
        self.vision_lstm = RealSteps(widths.vision, settings.vision_hidden)
        self.vision_linear = nn.Linear(settings.vision_hidden, settings.vision_out)
        inputs = {
            "multimodal": widths.text + settings.audio_out + settings.vision_out,
            "text": widths.text,
            "audio": settings.audio_out,
            "vision": settings.vision_out,
        }
        self.heads = nn.ModuleDict()
        for name, width in inputs.items():
            prefix = "fusion" if name == "multimodal" else name
            feature = getattr(settings, f"{prefix}_feature")
            dropout = getattr(settings, f"{prefix}_dropout")
            self.heads[name] = Head(width, feature, outputs, dropout)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → four predictions (B, K).

        States: `feature.s` (B, width of s) for the banks. An absent modality is a
        zero in the joined vectors.
        """
        features = with_absent(features, self.settings.absent)
        has_text, has_audio, has_vision = features.present.unbind(1)
        text = features.text_state()
        audio = self.audio_linear(self.audio_lstm(features.audio, features.audio_mask)[1])
        vision = self.vision_linear(self.vision_lstm(features.vision, features.vision_mask)[1])
        text = only_present(text, has_text)
        audio, vision = only_present(audio, has_audio), only_present(vision, has_vision)

        inputs = {"multimodal": torch.cat([text, audio, vision], dim=1)}
        inputs |= dict(zip(MODALITIES, (text, audio, vision), strict=True))
        predictions, states = {}, {}
        for name, vector in inputs.items():
            feature, prediction = self.heads[name](vector)
            predictions[name] = prediction
            states[f"feature.{name}"] = feature
        return FusionOutput(predictions, states)


class Head(nn.Module):
    """One feature and the prediction from it."""

    def __init__(self, width: int, feature: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.layer_1 = nn.Linear(width, feature)
        self.layer_2 = nn.Linear(feature, feature)
        self.layer_3 = nn.Linear(feature, outputs)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """vectors (B, width) → feature (B, feature) and prediction (B, K)."""
        feature = self.layer_1(self.dropout(vectors)).relu()
        return feature, self.layer_3(self.layer_2(feature).relu())


MODEL = ModelEntry(
    name="self-mm",
    summary="Self-MM: labels of their own for text, audio and vision",
    settings=SelfMMSettings,
    network=SelfMM,
    objective="self-mm",
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "audio_hidden": [16, 32],
        "vision_hidden": [32, 64],
        "audio_out": [16, 32],
        "vision_out": [32, 64],
        "fusion_feature": [64, 128],
        "text_feature": [32, 64],
        "audio_feature": [16, 32],
        "vision_feature": [32, 64],
        "fusion_dropout": [0.0, 0.1],
        "text_dropout": [0.0, 0.1],
        "audio_dropout": [0.0, 0.1],
        "vision_dropout": [0.0, 0.1],
    },
    reference="Yu et al., Learning Modality-Specific Representations, AAAI 2021",
    notes=("audio and vision have no learning rates of their own",),
)
