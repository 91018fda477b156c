"""MMIM: mutual information between the inputs and with the fusion (Han et al., EMNLP 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.sequences import ABSENT, RealSteps, only_present, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described

# A log variance x becomes c·tanh(x/c), so that a variance stays between e^−c and e^c.
LOG_VARIANCE_LIMIT = 6.0


@dataclass(frozen=True)
class MMIMSettings:
    """Sizes, dropout and loss weights; the defaults are those for MOSI."""

    audio_hidden: int = described(16, "width of each direction of the LSTM over audio", at_least=1)
    vision_hidden: int = described(
        16, "width of each direction of the LSTM over vision", at_least=1
    )
    audio_out: int = described(16, "width of the audio vector", at_least=4)
    vision_out: int = described(16, "width of the vision vector", at_least=4)
    fusion_hidden: int = described(128, "width of the fused vector", at_least=1)
    prediction_layers: int = described(
        1, "layers of the nets that predict an input from the fused vector", at_least=1
    )
    vision_audio_bound: bool = described(False, "a third bound, from vision to audio")
    dropout: float = described(0.1, "dropout on the joined vectors", at_least=0, below=1)
    nce_weight: float = described(0.1, "α, weight of the contrastive prediction", at_least=0)
    bound_weight: float = described(
        0.1, "β, weight of the lower bounds and of the entropy", at_least=0
    )
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The bounds (x, y): y is predicted from x."""
        pairs: tuple[tuple[str, str], ...] = (("text", "vision"), ("text", "audio"))
        if self.vision_audio_bound:
            pairs += (("vision", "audio"),)
        return pairs


class MMIM(nn.Module):
    """z = tanh(W₂·tanh(W₁·drop[t; a; v])), ŷ = W₃ z, and the nets that bound the information."""

    def __init__(self, settings: MMIMSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        sizes = {"text": widths.text, "audio": settings.audio_out, "vision": settings.vision_out}
        self.audio_lstm = RealSteps(widths.audio, settings.audio_hidden, both_directions=True)
        self.audio_linear = nn.Linear(2 * settings.audio_hidden, settings.audio_out)
        self.vision_lstm = RealSteps(widths.vision, settings.vision_hidden, both_directions=True)
        self.vision_linear = nn.Linear(2 * settings.vision_hidden, settings.vision_out)

        self.dropout = nn.Dropout(settings.dropout)
        self.fusion_1 = nn.Linear(sum(sizes.values()), settings.fusion_hidden)
        self.fusion_2 = nn.Linear(settings.fusion_hidden, settings.fusion_hidden)
        self.out = nn.Linear(settings.fusion_hidden, outputs)

        self.bounds = nn.ModuleDict()
        self.entropy = nn.ModuleDict()
        for x, y in settings.pairs:
            self.bounds[f"{x}_{y}"] = GaussianNet(sizes[x], sizes[y])
            self.entropy[f"{x}_{y}"] = nn.Linear(sizes[y], sizes[y] // 4)
        self.predict = nn.ModuleDict()
        for modality in MODALITIES:
            self.predict[modality] = prediction_net(
                settings.fusion_hidden, sizes[modality], settings.prediction_layers
            )

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K), and what the losses need.

        States: `vector.m` and `predicted.m` (B, d_m) for the contrastive prediction. For each bound
        `mean.x_y` and `log_variance.x_y` (B, d_y), whose gradient reaches x and not the nets;
        `fit_mean.x_y` and `fit_log_variance.x_y`, the same numbers, whose gradient reaches the nets
        and not x; and `entropy.x_y` (B, d_y/4).
        """
        features = with_absent(features, self.settings.absent)
        has_text, has_audio, has_vision = features.present.unbind(1)
        text = features.text_state()
        audio = self.audio_linear(self.audio_lstm(features.audio, features.audio_mask)[1])
        vision = self.vision_linear(self.vision_lstm(features.vision, features.vision_mask)[1])
        text = only_present(text, has_text)
        audio, vision = only_present(audio, has_audio), only_present(vision, has_vision)

        joined = self.dropout(torch.cat([text, audio, vision], dim=1))
        fused = self.fusion_2(self.fusion_1(joined).tanh()).tanh()
        states = {"fused": fused}
        vectors = {"text": text, "audio": audio, "vision": vision}
        for modality, vector in vectors.items():
            states[f"vector.{modality}"] = vector
            states[f"predicted.{modality}"] = self.predict[modality](fused)
        for x, y in self.settings.pairs:
            name = f"{x}_{y}"
            net = self.bounds[name]
            # Two losses share each net. One trains the net and not its input, the other one the
            # inputs and not the net.
            fit_mean, fit_log_variance = net(vectors[x].detach())
            states[f"fit_mean.{name}"] = fit_mean
            states[f"fit_log_variance.{name}"] = fit_log_variance
            mean, log_variance = functional_call(net, frozen(net), vectors[x])
            states[f"mean.{name}"] = mean
            states[f"log_variance.{name}"] = log_variance
            states[f"entropy.{name}"] = self.entropy[name](vectors[y]).tanh()
        return FusionOutput({"multimodal": self.out(fused)}, states)


def frozen(net: nn.Module) -> dict[str, Tensor]:
    """The weights of a net as constants."""
    return {name: weight.detach() for name, weight in net.named_parameters()}


class GaussianNet(nn.Module):
    """The mean and the log variance of a Gaussian q(y | x), each from two layers."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(width, out), nn.ReLU(), nn.Linear(out, out))
        self.log_variance = nn.Sequential(nn.Linear(width, out), nn.ReLU(), nn.Linear(out, out))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, width) → mean and log variance (B, out) of each number."""
        raw = self.log_variance(x)
        return self.mean(x), LOG_VARIANCE_LIMIT * torch.tanh(raw / LOG_VARIANCE_LIMIT)


def prediction_net(width: int, out: int, layers: int) -> nn.Sequential:
    """The net that predicts an input from the fused vector: linear maps with tanh between them."""
    net = nn.Sequential(nn.Linear(width, out))
    for _ in range(layers - 1):
        net.extend([nn.Tanh(), nn.Linear(out, out)])
    return net


MODEL = ModelEntry(
    name="mmim",
    summary="MMIM: bounds on mutual information and contrastive prediction",
    settings=MMIMSettings,
    network=MMIM,
    objective="mmim",
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "audio_hidden": [8, 16, 32],
        "vision_hidden": [8, 16, 32],
        "fusion_hidden": [64, 128, 256],
        "prediction_layers": [1, 2],
        "vision_audio_bound": [True, False],
        "dropout": {"low": 0.0, "high": 0.3},
        "nce_weight": {"low": 0.05, "high": 0.5, "log": True},
        "bound_weight": {"low": 0.05, "high": 0.5, "log": True},
    },
    reference="Han et al., Improving Multimodal Fusion, EMNLP 2021",
    notes=("both stages in each step", "bounded log variance, full log density"),
)
