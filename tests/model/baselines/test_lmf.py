"""LMF: the sum over ranks number by number, and the numbers of the official model."""

from __future__ import annotations

import pytest
import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import BATCH_NORM, SUBNETS, golden, load_renamed, same, with_normed_means
from torch import Tensor, nn

NAMES = [
    *SUBNETS,
    (r"(audio|text)_factor", r"\1_factor"),
    ("video_factor", "vision_factor"),
    ("fusion_weights", "rank_weights"),
    ("fusion_bias", "bias"),
]


@pytest.mark.parametrize(("name", "outputs"), [("lmf", 1), ("lmf_k3", 3)])
def test_gives_the_numbers_of_the_official_model(name, outputs):
    """From the vectors after its BatchNorm on."""
    tensors = golden(name)
    tensors["fusion_bias"] = tensors["fusion_bias"][0]
    fusion = make_fusion("lmf", outputs)
    fusion.audio.norm = fusion.vision.norm = nn.Identity()
    assert load_renamed(fusion, tensors, NAMES) == BATCH_NORM
    same(multimodal(fusion(with_normed_means(tensors))), tensors["output.prediction"])


def test_equals_the_loop():
    features = make_features([5, 0, 2], [4, 3, 0], [6, 0, 1])
    fusion = make_fusion("lmf", outputs=2)
    predictions = multimodal(fusion(features))
    for row in range(3):
        same(predictions[row], slow_lmf(fusion, clip_of(features, row)))


def slow_lmf(fusion: nn.Module, clip: dict[str, Tensor]) -> Tensor:
    vectors = slow.three_vectors(fusion, clip)
    factors = (fusion.text_factor, fusion.audio_factor, fusion.vision_factor)
    prediction = fusion.bias.detach().clone()
    for k in range(len(prediction)):
        for r in range(fusion.rank_weights.shape[1]):
            product = torch.ones((), dtype=torch.float64)
            for vector, factor in zip(vectors, factors, strict=True):
                with_one = torch.cat([torch.ones(1, dtype=torch.float64), vector])
                product = product * sum(
                    x * w for x, w in zip(with_one, factor[r, :, k], strict=True)
                )
            prediction[k] += fusion.rank_weights[0, r] * product
    return prediction
