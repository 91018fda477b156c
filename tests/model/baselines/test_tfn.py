"""TFN: the outer product entry by entry, and the numbers of the official model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import BATCH_NORM, SUBNETS, golden, load_renamed, same, with_normed_means
from torch import Tensor, nn

NAMES = [*SUBNETS, (r"post_fusion_layer_(.*)", r"post_\1")]


def load(name: str, outputs: int) -> tuple[nn.Module, dict[str, Tensor]]:
    tensors = golden(name)
    fusion = make_fusion("tfn", outputs)
    fusion.audio.norm = fusion.vision.norm = nn.Identity()
    unused = load_renamed(fusion, tensors, NAMES)
    assert unused == BATCH_NORM | {"output_range", "output_shift"}
    return fusion, tensors


@pytest.mark.parametrize(("name", "outputs"), [("tfn", 1), ("tfn_k3", 3)])
def test_gives_the_numbers_of_the_official_model(name, outputs):
    """From the vectors after its BatchNorm on, up to its last linear layer."""
    fusion, tensors = load(name, outputs)
    same(multimodal(fusion(with_normed_means(tensors))), tensors["inter.post_fusion_layer_3"])


def test_the_range_of_the_official_output_is_left_out():
    """The official model ends with 6·σ(y) − 3, and no score outside −3 … 3 can be learned."""
    fusion, tensors = load("tfn", 1)
    ours = multimodal(fusion(with_normed_means(tensors)))
    same(6 * ours.sigmoid() - 3, tensors["output.prediction"])
    assert 0.1 < (ours - tensors["output.prediction"]).abs().max() < 3


def test_equals_the_loop():
    features = make_features([5, 0, 2], [4, 3, 0], [6, 0, 1])
    fusion = make_fusion("tfn", outputs=2)
    predictions = multimodal(fusion(features))
    for row in range(3):
        same(predictions[row], slow_tfn(fusion, clip_of(features, row)))


def slow_tfn(fusion: nn.Module, clip: dict[str, Tensor]) -> Tensor:
    text, audio, vision = slow.three_vectors(fusion, clip)
    entries = []
    for a in (1.0, *audio):
        for v in (1.0, *vision):
            entries += [a * v * t for t in (1.0, *text)]
    hidden = slow.linear(fusion.post_1, torch.tensor(entries, dtype=torch.float64)).relu()
    return slow.linear(fusion.post_3, slow.linear(fusion.post_2, hidden).relu())


def test_reads_one_state_of_the_text_where_the_lstm_is_off():
    features = make_features([5, 2], [4, 3], [6, 1])
    fusion = make_fusion("tfn", text_lstm=False)
    pooled = replace(features, pooled_text=features.text[:, 0])
    assert (multimodal(fusion(pooled)) - multimodal(fusion(features))).abs().min() > 1e-6
