"""MFN: the numbers of the official model, and each clip step by step."""

from __future__ import annotations

import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import LSTM_SYSTEM, golden, inputs_of, load_renamed, same
from torch import Tensor, nn

NAMES = [
    *LSTM_SYSTEM,
    (r"att1_fc1\.(.*)", r"attention.0.\1"),
    (r"att1_fc2\.(.*)", r"attention.3.\1"),
]


def test_gives_the_numbers_of_the_official_model():
    tensors = golden("mfn")
    fusion = make_fusion("mfn")
    assert load_renamed(fusion, tensors, NAMES) == set()
    same(multimodal(fusion(inputs_of(tensors))), tensors["output.prediction"])


def test_equals_the_loop():
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("mfn", outputs=2)
    predictions = multimodal(fusion(features))
    for row in range(4):
        same(predictions[row], slow_mfn(fusion, clip_of(features, row)))


def slow_mfn(fusion: nn.Module, clip: dict[str, Tensor]) -> Tensor:
    hidden, cells = slow.lstm_system(fusion.system, clip)
    memory = torch.zeros(fusion.keep[3].out_features, dtype=torch.float64)
    earlier = torch.zeros_like(cells[0])
    for now in cells:
        joint = torch.cat([earlier, now])
        scores = slow.net(fusion.attention, joint)
        attended = scores.exp() / scores.exp().sum() * joint
        candidate = slow.net(fusion.candidate, attended).tanh()
        both = torch.cat([attended, memory])
        keep, update = slow.net(fusion.keep, both), slow.net(fusion.update, both)
        memory = keep.sigmoid() * memory + update.sigmoid() * candidate
        earlier = now
    return slow.net(fusion.head, torch.cat([hidden[-1], memory]))
