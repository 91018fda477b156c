"""EF-LSTM: the numbers of the official model, and each clip step by step."""

from __future__ import annotations

import torch
from support import slow
from support.fusions import WIDTHS, clip_of, make_features, make_fusion, multimodal
from support.golden import golden, load_renamed, same, whole
from torch import Tensor, nn

NAMES = [(r"lstm\.(.*)", r"lstm.rnn.\1"), (r"((?:linear|out)\..*)", r"\1")]


def test_gives_the_numbers_of_the_official_model():
    """From the sequence after its BatchNorm over the steps on."""
    tensors = golden("ef_lstm")
    fusion = make_fusion("ef-lstm")
    fusion.norms = nn.ModuleDict({name: nn.Identity() for name in vars(WIDTHS)})
    unused = load_renamed(fusion, tensors, NAMES)
    assert {name.split(".")[0] for name in unused} == {"norm"}
    text, audio, vision = tensors["inter.norm"].split([12, 5, 7], dim=2)
    same(multimodal(fusion(whole(text, audio, vision))), tensors["output.prediction"])


def test_equals_the_loop():
    """The third clip has no text: its steps are the frames of vision, which are more."""
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("ef-lstm", outputs=2)
    predictions = multimodal(fusion(features))
    for row in range(4):
        same(predictions[row], slow_ef_lstm(fusion, clip_of(features, row)))


def slow_ef_lstm(fusion: nn.Module, clip: dict[str, Tensor]) -> Tensor:
    words = []
    sequences = slow.words(clip)
    for i in range(len(sequences["text"])):
        word = []
        for modality, sequence in sequences.items():
            normed = torch.zeros(sequence.shape[1], dtype=torch.float64)
            if len(clip[modality]):
                normed = slow.layer_norm(fusion.norms[modality], sequence[i])
            word.append(normed)
        words.append(torch.cat(word))
    last = slow.lstm(fusion.lstm.rnn, torch.stack(words))[1]
    return slow.linear(fusion.out, slow.linear(fusion.linear, last).relu())
