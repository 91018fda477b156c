"""The attention baseline: each clip number by number."""

from __future__ import annotations

import pytest
import torch
from support import slow
from support.fusions import WIDTHS, clip_of, make_features, make_fusion, multimodal
from support.golden import same
from torch import Tensor, nn


@pytest.mark.parametrize("softmax", [False, True])
def test_equals_the_loop(softmax):
    features = make_features([5, 0, 2, 0], [4, 3, 0, 0], [6, 0, 1, 0])
    fusion = make_fusion("attention", outputs=2, softmax=softmax)
    predictions = multimodal(fusion(features))
    for row in range(4):
        same(predictions[row], slow_attention(fusion, clip_of(features, row), softmax))


def slow_attention(fusion: nn.Module, clip: dict[str, Tensor], softmax: bool) -> Tensor:
    hidden = fusion.head.in_features
    vectors, present = [], []
    for modality in ("audio", "text", "vision"):
        present.append(len(clip[modality]) > 0)
        mean = torch.zeros(getattr(WIDTHS, modality), dtype=torch.float64)
        if present[-1]:
            mean = clip[modality].sum(0) / len(clip[modality])
        vector = two_layers(getattr(fusion, modality), mean)
        vectors.append(vector if present[-1] else torch.zeros(hidden, dtype=torch.float64))
    weights = slow.linear(fusion.to_weights, two_layers(fusion.weigh, torch.cat(vectors)))
    if softmax and any(present):
        shares = [
            weight.exp() if has else 0.0 for weight, has in zip(weights, present, strict=True)
        ]
        weights = [share / sum(shares) for share in shares]
    fused = torch.zeros(hidden, dtype=torch.float64)
    for weight, vector in zip(weights, vectors, strict=True):
        fused = fused + weight * vector
    return slow.linear(fusion.head, fused)


def two_layers(net: nn.Sequential, x: Tensor) -> Tensor:
    linears = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linears:
        x = slow.linear(layer, x).relu()
    return x
