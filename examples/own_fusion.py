"""Trains a fusion of your own with this project's training loop.

The network below keeps the encoders and the prediction heads of SemanticMAC and replaces its
fusion: a gate weighs the modalities of each clip.

    semanticmac demo
    python examples/own_fusion.py
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn

import semanticmac
from semanticmac.core import SUB_TASKS
from semanticmac.model.config import ModelConfig
from semanticmac.model.inputs import ModelInputs
from semanticmac.model.network import Output, SemanticMAC, mean_of_present


class GatedFusion(SemanticMAC):
    """SemanticMAC without SGFI: z = Σ_m g_m · mean of the tokens of m, with Σ_m g_m = 1."""

    def __init__(self, config: ModelConfig, language: nn.Module | None = None) -> None:
        super().__init__(config, language)
        self.interaction = nn.Identity()  # not needed
        self.fuse = nn.Linear(config.d_model, config.d_model)
        self.gate = nn.Linear(config.d_model, 1)

    def forward(self, batch: ModelInputs) -> Output:
        encoded = [
            self.encode_text(batch.token_ids, batch.token_mask),
            self.encode_frames("audio", batch.audio, batch.audio_mask),
            self.encode_frames("vision", batch.vision, batch.vision_mask),
        ]  # tokens X_m (B, T_m, d) and their mask (B, T_m)
        pooled = torch.stack([masked_mean(*pair) for pair in encoded], dim=1)  # (B, 3, d)
        present = torch.stack([mask.any(1) for _, mask in encoded], dim=1)  # (B, 3)

        gates = self.gate(pooled).squeeze(2).masked_fill(~present, -1e4).softmax(1)  # (B, 3)
        fused = torch.relu(self.fuse((gates[:, :, None] * pooled).sum(1)))  # (B, d)

        # One vector per sub-task: multimodal, shared, text, audio, vision.
        features = [fused, mean_of_present(pooled, present), *pooled.unbind(1)]
        outputs = [self.heads[name](x) for name, x in zip(SUB_TASKS, features, strict=True)]
        return Output(torch.stack(outputs, dim=1), pooled, pooled, fused, present)


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """tokens (B, T, d); mask (B, T), True = real → their mean (B, d), zero if there is none."""
    total = (tokens * mask[..., None]).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", help="default: the dataset cached last")
    parser.add_argument("--cache", default="data/cache")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    # These losses belong to the fusion of the paper.
    settings = {"epochs": options.epochs, "intra": False, "inter": False, "pseudo_labels": False}
    run = semanticmac.train_model(
        options.dataset, cache=options.cache, settings=settings, build_model=GatedFusion
    )
    evaluation = semanticmac.evaluate_model(run, cache=options.cache, build_model=GatedFusion)
    print(f"{run.folder}: best epoch {run.info.best_epoch}")
    for metric in evaluation.scores.metrics:
        print(f"{metric.name}: {metric.value}")


if __name__ == "__main__":
    main()
