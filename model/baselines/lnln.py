"""LNLN: ALMT for incomplete data; a proxy stands in for missing language (Zhang et al., 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.almt import (
    LEVELS,
    CrossLayer,
    CrossTransformer,
    HyperLayer,
    TokenEmbedding,
    language_levels,
    learned,
)
from semanticmac.model.baselines.sequences import ABSENT, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class LNLNSettings:
    """Sizes, missing data while training, and loss weights; the defaults are those for MOSI."""

    width: int = described(128, "width of every token", at_least=1)
    tokens: int = described(8, "learned tokens of each modality", at_least=1)
    heads: int = described(8, "attention heads; they divide the width", at_least=1)
    feed_forward: int = described(128, "hidden width of feed-forward blocks", at_least=1)
    depth: int = described(2, "layers of each transformer", at_least=1)
    positions: int = described(
        256, "learned positions; the frames of a longer clip share them", at_least=1
    )
    dropout: float = described(0.0, "dropout of the hyper-modality layers", at_least=0, below=1)
    discriminator_hidden: int = described(64, "hidden width of the discriminator", at_least=1)
    missing_rate: float = described(
        1.0,
        "training: a clip loses a share of each modality's frames, drawn up to this one",
        at_least=0,
    )
    completeness_weight: float = described(0.9, "weight of the completeness loss", at_least=0)
    adversarial_weight: float = described(0.8, "weight of the discriminator's loss", at_least=0)
    recon_weight: float = described(0.1, "weight of the reconstruction loss", at_least=0)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.width % self.heads:
            raise ValueError(f"width={self.width} must be divisible by heads={self.heads}")
        if self.missing_rate > 1:
            raise ValueError(f"missing_rate={self.missing_rate} must be at most 1")


class LNLN(nn.Module):
    """h = (1 − w)·proxy + w·language, w = completeness of the language; then as in ALMT."""

    def __init__(self, settings: LNLNSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        d, n = settings.width, settings.tokens
        shape = (settings.heads, settings.feed_forward)
        self.embed = nn.ModuleDict()
        self.reconstruct = nn.ModuleDict()
        for modality in MODALITIES:
            self.embed[modality] = TokenEmbedding(
                getattr(widths, modality), d, n, settings.positions, *shape, settings.depth
            )
            self.reconstruct[modality] = Reconstructor(d, n, *shape, settings.depth)
        self.completeness = Reader(d, 1, n, *shape, settings.depth)
        self.to_completeness = nn.Linear(d, 1)
        self.proxy = Reader(d, n, 2 * n, *shape, settings.depth)
        self.discriminator = nn.Sequential(
            nn.Linear(d, settings.discriminator_hidden),
            nn.ReLU(),
            nn.Linear(settings.discriminator_hidden, 1),
        )
        self.language_positions = learned(n, d)
        self.language = nn.ModuleList()
        self.hyper_start = nn.Parameter(torch.ones(n, d))
        self.hyper = nn.ModuleList()
        for _ in range(LEVELS):
            self.hyper.append(HyperLayer(d, settings.heads, settings.dropout))
        for _ in range(LEVELS - 1):
            self.language.append(CrossLayer(d, *shape))
        self.fusion = CrossTransformer(d, n, *shape, settings.depth)
        self.head = nn.Linear(d, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K).

        States: `completeness` w and `kept`, the share of the tokens that were not dropped, (B, 1);
        `language_logit` and `proxy_logit` (B, 1) of the discriminator; `reconstructed.m` and
        `complete.m` (B, tokens·d), the latter from everything that the clip has. In evaluation mode
        nothing is dropped.
        """
        features = with_absent(features, self.settings.absent)
        has_text, has_audio, has_vision = features.present[:, :, None].unbind(1)
        tokens, states = {}, {}
        for modality in MODALITIES:
            frames, mask = getattr(features, modality), getattr(features, f"{modality}_mask")
            read = self.drop(mask) if self.training else mask
            embed = self.embed[modality]
            tokens[modality] = embed(frames, mask, read)
            with torch.no_grad():
                complete = embed(frames, mask) if self.training else tokens[modality]
            states[f"complete.{modality}"] = complete.detach().flatten(1)
            reconstructed = self.reconstruct[modality](tokens[modality])
            states[f"reconstructed.{modality}"] = reconstructed.flatten(1)
            if modality == "text":
                kept = read.sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
                states["kept"] = kept.to(frames.dtype)

        n = self.settings.tokens
        everything = torch.ones_like(has_text).expand(-1, n)
        state = self.completeness(tokens["text"], everything)[:, 0]
        completeness = self.to_completeness(state).sigmoid()
        heard = torch.cat([has_audio.expand(-1, n), has_vision.expand(-1, n)], dim=1)
        proxy = self.proxy(torch.cat([tokens["audio"], tokens["vision"]], dim=1), heard)
        states["completeness"] = completeness
        states["language_logit"] = self.discriminate(tokens["text"])
        states["proxy_logit"] = self.discriminate(proxy)

        weight = completeness[:, :, None]  # (B, 1, 1)
        dominant = (1 - weight) * proxy + weight * tokens["text"]
        levels = language_levels(dominant + self.language_positions, self.language)
        hyper = self.hyper_start.expand_as(dominant)
        for layer, level in zip(self.hyper, levels, strict=True):
            hyper = layer(hyper, level, tokens["audio"], tokens["vision"], features.present[:, 1:])
        prediction = self.head(self.fusion(hyper, levels[-1]))
        return FusionOutput({"multimodal": prediction}, states)

    def discriminate(self, tokens: Tensor) -> Tensor:
        """The logit (B, 1) that tokens (B, n, d) are language; their gradient is reversed."""
        logit: Tensor = self.discriminator(reverse_gradient(tokens.mean(1)))
        return logit

    def drop(self, mask: Tensor) -> Tensor:
        """The mask (B, F) without a random share of each clip's real frames."""
        share = torch.rand(len(mask), 1, device=mask.device) * self.settings.missing_rate
        return mask & (torch.rand(mask.shape, device=mask.device) >= share)


class Reader(nn.Module):
    """Learned tokens in front of a sequence of fixed length, and transformer layers over both."""

    def __init__(
        self, width: int, count: int, length: int, heads: int, feed_forward: int, depth: int
    ) -> None:
        super().__init__()
        self.tokens = learned(count, width)
        self.positions = learned(count + length, width)
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(CrossLayer(width, heads, feed_forward))

    def forward(self, source: Tensor, mask: Tensor) -> Tensor:
        """source (B, length, width), mask (B, length), True = may be read → (B, count, width)."""
        own = self.tokens.expand(len(source), -1, -1)
        x = torch.cat([own, source], dim=1) + self.positions
        may_attend = torch.cat([mask.new_ones(own.shape[:2]), mask], dim=1)[:, None]
        for layer in self.layers:
            x = layer(x, x, may_attend)
        return x[:, : len(self.tokens)]


class Reconstructor(nn.Module):
    """The tokens of an incomplete sequence → those of the complete one."""

    def __init__(self, width: int, count: int, heads: int, feed_forward: int, depth: int) -> None:
        super().__init__()
        self.positions = learned(count, width)
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(CrossLayer(width, heads, feed_forward))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, count, width) → the same shape."""
        x = tokens + self.positions
        for layer in self.layers:
            x = layer(x, x)
        return x


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


def reverse_gradient(values: Tensor) -> Tensor:
    """The same values; their gradient changes its sign (Ganin & Lempitsky, 2015)."""
    reversed_: Tensor = _Reverse.apply(values)  # type: ignore[no-untyped-call]
    return reversed_


MODEL = ModelEntry(
    name="lnln",
    summary="LNLN: ALMT with a proxy for missing language",
    settings=LNLNSettings,
    network=LNLN,
    objective="lnln",
    space={
        "lr_rest": {"low": 5e-5, "high": 1e-3, "log": True},
        "width": [64, 128],
        "tokens": [4, 8],
        "feed_forward": [64, 128, 256],
        "depth": [1, 2],
        "missing_rate": [0.5, 1.0],
        "completeness_weight": {"low": 0.1, "high": 1.0},
        "adversarial_weight": {"low": 0.1, "high": 1.0},
        "recon_weight": {"low": 0.05, "high": 1.0, "log": True},
    },
    reference="Zhang et al., Language-dominated Noise-resistant Learning Network, NeurIPS 2024",
    notes=("hidden states are dropped while training, not words",),
)
