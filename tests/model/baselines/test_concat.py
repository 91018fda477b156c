"""LF-DNN: the numbers of the official model, and each clip alone without masks."""

from __future__ import annotations

import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import (
    BATCH_NORM,
    SUBNETS,
    golden,
    inputs_of,
    load_renamed,
    same,
    with_normed_means,
)
from torch import nn

NAMES = [*SUBNETS, (r"post_fusion_layer_(.*)", r"post_\1")]


def test_gives_the_numbers_of_the_official_model():
    """From the vectors after its BatchNorm on."""
    tensors = golden("lf_dnn")
    fusion = make_fusion("concat")
    fusion.audio.norm = fusion.vision.norm = nn.Identity()
    assert load_renamed(fusion, tensors, NAMES) == BATCH_NORM
    same(multimodal(fusion(with_normed_means(tensors))), tensors["output.prediction"])


def test_layer_norm_in_place_of_batch_norm_changes_the_prediction():
    """BatchNorm depends on the batch; its statistics of the golden model are far from LayerNorm."""
    tensors = golden("lf_dnn")
    fusion = make_fusion("concat")
    fusion.audio.norm = fusion.vision.norm = nn.Identity()
    load_renamed(fusion, tensors, NAMES)
    fusion.audio.norm, fusion.vision.norm = nn.LayerNorm(5).double(), nn.LayerNorm(7).double()
    sequences = tensors | {
        "input.audio": tensors["input.audio_sequence"],
        "input.vision": tensors["input.vision_sequence"],
    }
    difference = multimodal(fusion(inputs_of(sequences))) - tensors["output.prediction"]
    assert 0.3 < difference.abs().max() < 3


def test_equals_the_loop():
    features = make_features([5, 0, 2], [4, 3, 0], [6, 0, 1])
    fusion = make_fusion("concat", outputs=2)
    predictions = multimodal(fusion(features))
    for row in range(3):
        text, audio, vision = slow.three_vectors(fusion, clip_of(features, row))
        hidden = slow.linear(fusion.post_1, torch.cat([audio, vision, text])).relu()
        hidden = slow.linear(fusion.post_2, hidden).relu()
        same(predictions[row], slow.linear(fusion.post_3, hidden))
