"""Adds a fusion of your own, trains it in SemanticMAC's training loop and scores it on test.

The fusion below is registered under the name `gated`: a gate weighs the modalities of each clip.

    semanticmac demo
    python examples/own_fusion.py

docs/own-model.md explains how a package offers such a model to `semanticmac train --model gated`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from torch import nn

import semanticmac
from semanticmac.model.attention import masked_mean
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry, register
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class GatedSettings:
    """Settings of the gated fusion: keys of `settings` and of `train --set`."""

    width: int = described(64, "d, width of each modality", at_least=1)
    dropout: float = described(0.1, "dropout before the head", at_least=0, below=1)

    def __post_init__(self) -> None:
        check_settings(self)


class GatedFusion(nn.Module):
    """z = Σ_m g_m · ReLU(W_m · mean of the tokens of m), with Σ_m g_m = 1 over what is present."""

    def __init__(self, settings: GatedSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        d = settings.width
        self.project = nn.ModuleList(
            nn.Linear(width, d) for width in (widths.text, widths.audio, widths.vision)
        )
        self.gate = nn.Linear(d, 1)
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(d, outputs))

    def forward(self, features: Features) -> FusionOutput:
        means = [
            masked_mean(features.text, features.text_mask),  # (B, D_t)
            masked_mean(features.audio, features.audio_mask),
            masked_mean(features.vision, features.vision_mask),
        ]
        tokens = [torch.relu(layer(x)) for layer, x in zip(self.project, means, strict=True)]
        stacked = torch.stack(tokens, dim=1)  # (B, 3, d)
        # An absent modality gets no weight; a clip without any gets equal ones.
        scores = self.gate(stacked)[..., 0].masked_fill(~features.present, -1e4)  # (B, 3)
        gates = scores.softmax(dim=1)
        fused = (gates[..., None] * stacked).sum(dim=1)  # (B, d)
        return FusionOutput({"multimodal": self.head(fused)}, {"gates": gates})


MODEL = ModelEntry(
    name="gated",
    summary="a gate weighs the modalities of each clip",
    settings=GatedSettings,
    network=GatedFusion,
    space={"width": [32, 64, 128], "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True}},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", help="default: the dataset cached last")
    parser.add_argument("--cache", default="data/cache")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    register(MODEL)
    run = semanticmac.train_model(
        options.dataset,
        cache=options.cache,
        model="gated",
        settings={"epochs": options.epochs, "width": 32},
    )
    evaluation = semanticmac.evaluate_model(run, cache=options.cache)
    print(f"{run.folder}: best epoch {run.info.best_epoch}")
    for metric in evaluation.scores.metrics:
        print(f"{metric.name}: {metric.value}")


if __name__ == "__main__":
    main()
