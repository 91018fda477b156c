"""Utterances become dialogues, and the scored ones come back in their order."""

from __future__ import annotations

import torch
from support.dialogues import layout_of_lengths, make_dialogues, make_network
from torch import Tensor

from semanticmac.model.dialogue.dialogues import (
    Dialogues,
    Layout,
    arrange,
    each_alone,
    read_dialogues,
)
from semanticmac.model.features import Features, FusionOutput


def make_features(utterances: int) -> Features:
    torch.manual_seed(0)
    mask = torch.rand(utterances, 3) < 0.7
    frames = torch.randn(2, utterances, 3, 4).masked_fill(~mask[None, ..., None], 0.0)
    text = torch.randn(utterances, 1, 5)
    present = torch.arange(utterances)[:, None] != 1
    text = text.masked_fill(~present[..., None], 0.0)
    return Features(text, present, frames[0], mask, frames[1], mask, pooled_text=text[:, 0])


def test_every_utterance_stands_in_its_place() -> None:
    layout = layout_of_lengths((3, 1))
    features = make_features(4)
    dialogues = arrange(features, layout)
    assert dialogues.mask.tolist() == [[True, True, True], [True, False, False]]
    for number, (row, place) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0)]):
        assert torch.equal(dialogues.text[row, place], features.text_state()[number])
        frames = features.audio[number][features.audio_mask[number]]
        mean = frames.mean(0) if len(frames) else torch.zeros(4)
        torch.testing.assert_close(dialogues.audio[row, place], mean)
        assert torch.equal(dialogues.present[row, place], features.present[number])
    assert not dialogues.text[1, 1:].any() and not dialogues.present[1, 1:].any()


def test_only_scored_utterances_come_back() -> None:
    whole = layout_of_lengths((3, 2))
    scored = torch.tensor([False, True, True, True, False])
    layout = Layout(2, 3, whole.dialogue, whole.position, whole.speaker, scored)
    dialogues = arrange(make_features(5), layout)

    def places(given: Dialogues) -> FusionOutput:
        rows = torch.arange(len(given.mask))[:, None, None].expand(-1, 3, 1)
        position = torch.arange(3)[None, :, None].expand(len(given.mask), -1, 1)
        return FusionOutput({"multimodal": torch.cat([rows, position], dim=2)})

    output = read_dialogues(places, dialogues, layout, future=0)
    assert output.predictions["multimodal"].tolist() == [[0, 1], [0, 2], [1, 0]]


def test_a_finite_future_equals_each_target_in_its_own_cut_dialogue() -> None:
    dialogues, layout = make_dialogues((5, 2)), layout_of_lengths((5, 2))
    network = make_network("dialogue-rnn", both_directions=True)
    predictions = read_dialogues(network, dialogues, layout, future=1).predictions["multimodal"]
    number = 0
    for row, length in enumerate((5, 2)):
        for target in range(length):
            end = min(target + 2, length)

            def part(values: Tensor, row: int = row, end: int = end) -> Tensor:
                return values[row : row + 1, :end]

            cut = Dialogues(
                part(dialogues.text),
                part(dialogues.audio),
                part(dialogues.vision),
                part(dialogues.present),
                part(dialogues.mask),
                part(dialogues.speakers),
            )
            expected = network(cut).predictions["multimodal"][0, target]
            torch.testing.assert_close(predictions[number], expected, rtol=0, atol=1e-12)
            number += 1


def test_utterances_alone_are_dialogues_of_one() -> None:
    layout = each_alone(3, torch.device("cpu"))
    dialogues = arrange(make_features(3), layout)
    assert dialogues.mask.shape == (3, 1) and dialogues.mask.all()
