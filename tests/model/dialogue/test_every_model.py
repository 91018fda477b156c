"""What holds for every model of dialogues: no leak, and nothing but real input counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.dialogues import SMALL, layout_of_lengths, make_dialogues, make_network
from torch import Tensor

from semanticmac.model.dialogue.dialogues import Dialogues, read_dialogues

LENGTHS = (7, 4, 1)
MODELS = tuple(SMALL)


def predict(name: str, dialogues: Dialogues, future: int, lengths=LENGTHS) -> Tensor:
    """(U, K) for the utterances of dialogues of these lengths."""
    network = make_network(name, both_directions=future > 0)
    output = read_dialogues(network, dialogues, layout_of_lengths(lengths), future)
    return output.predictions["multimodal"]


def changed(dialogues: Dialogues, where: Tensor) -> Dialogues:
    """Other content, other speakers and other absent modalities in the marked utterances."""
    other = make_dialogues(LENGTHS, seed=5)
    marked = where[..., None]
    return Dialogues(
        torch.where(marked, other.text, dialogues.text),
        torch.where(marked, other.audio, dialogues.audio),
        torch.where(marked, other.vision, dialogues.vision),
        torch.where(marked, other.present, dialogues.present),
        dialogues.mask,
        torch.where(where, other.speakers, dialogues.speakers),
    )


def of_first(predictions: Tensor) -> Tensor:
    return predictions[: LENGTHS[0]]


@pytest.mark.parametrize("future", [0, 1, 2, 6])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_later_than_the_future_is_read(name: str, future: int) -> None:
    """Every utterance later than target + future is changed; the target does not move."""
    dialogues = make_dialogues(LENGTHS)
    before = of_first(predict(name, dialogues, future))
    for target in range(LENGTHS[0]):
        later = torch.arange(LENGTHS[0]) > target + future
        where = torch.zeros_like(dialogues.mask)
        where[0] = later
        after = of_first(predict(name, changed(dialogues, where), future))
        torch.testing.assert_close(after[: target + 1], before[: target + 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_past_and_future_are_read(name: str) -> None:
    """The changes of the other tests would show: an earlier utterance, and the allowed future."""
    dialogues = make_dialogues(LENGTHS, absent=False)
    for future, target, moved in ((0, 3, 2), (1, 3, 4)):
        where = torch.zeros_like(dialogues.mask)
        where[0, moved] = True
        before = of_first(predict(name, dialogues, future))[target]
        after = of_first(predict(name, changed(dialogues, where), future))[target]
        assert not torch.allclose(before, after, atol=1e-6)


@pytest.mark.parametrize("future", [0, 2])
@pytest.mark.parametrize("name", MODELS)
def test_another_dialogue_of_the_batch_changes_nothing(name: str, future: int) -> None:
    dialogues = make_dialogues(LENGTHS)
    where = torch.zeros_like(dialogues.mask)
    where[1:] = True
    before = of_first(predict(name, dialogues, future))
    after = of_first(predict(name, changed(dialogues, where), future))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("future", [0, 2])
@pytest.mark.parametrize("name", MODELS)
def test_a_dialogue_alone_has_the_same_predictions(name: str, future: int) -> None:
    """Padding to the longest dialogue, and speakers that only others have, change nothing."""
    dialogues = make_dialogues(LENGTHS)
    together = predict(name, dialogues, future)
    length = LENGTHS[1]
    alone = Dialogues(
        dialogues.text[1:2, :length],
        dialogues.audio[1:2, :length],
        dialogues.vision[1:2, :length],
        dialogues.present[1:2, :length],
        dialogues.mask[1:2, :length],
        dialogues.speakers[1:2, :length],
    )
    expected = together[LENGTHS[0] : LENGTHS[0] + length]
    actual = predict(name, alone, future, (length,))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_speakers_of_padding_mean_nothing(name: str) -> None:
    dialogues = make_dialogues(LENGTHS)
    speakers = dialogues.speakers.masked_fill(~dialogues.mask, 8)
    before = predict(name, dialogues, 0)
    after = predict(name, replace(dialogues, speakers=speakers), 0)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_content_of_an_absent_modality_means_nothing(name: str) -> None:
    dialogues = make_dialogues(LENGTHS)
    text, audio, vision = dialogues.present.unbind(2)
    noisy = replace(
        dialogues,
        text=dialogues.text.masked_fill(~text[..., None], 3.0),
        audio=dialogues.audio.masked_fill(~audio[..., None], -2.0),
        vision=dialogues.vision.masked_fill(~vision[..., None], 1.0),
    )
    before, after = predict(name, dialogues, 0), predict(name, noisy, 0)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_a_dialogue_without_any_input_has_finite_predictions_and_gradients(name: str) -> None:
    dialogues = make_dialogues(LENGTHS)
    nothing = replace(
        dialogues,
        text=torch.zeros_like(dialogues.text),
        audio=torch.zeros_like(dialogues.audio),
        vision=torch.zeros_like(dialogues.vision),
        present=torch.zeros_like(dialogues.present),
    )
    network = make_network(name)
    output = read_dialogues(network, nothing, layout_of_lengths(LENGTHS), 0)
    output.predictions["multimodal"].sum().backward()
    assert output.predictions["multimodal"].isfinite().all()
    for weight in network.parameters():
        assert weight.grad is None or weight.grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name in MODELS if name != "bc-lstm"])
def test_who_speaks_matters(name: str) -> None:
    """bc-LSTM alone does not read the speakers."""
    dialogues = make_dialogues(LENGTHS, absent=False)
    other = replace(dialogues, speakers=(dialogues.speakers + 1).remainder(2))
    assert not torch.allclose(predict(name, dialogues, 0), predict(name, other, 0), atol=1e-6)
