"""Alignment, the last real token, LSTMs that end at the last real step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import slow
from support.fusions import clip_of, make_features
from support.golden import same

from semanticmac.model.baselines.sequences import (
    RealSteps,
    aligned,
    last_token,
    step_counts,
    with_absent,
)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 4))
def test_a_step_reads_the_frame_at_its_middle(frames, steps, padding):
    content = torch.arange(1.0, frames + padding + 2)[None, :, None]
    mask = torch.arange(frames + padding + 1)[None] < frames
    words = aligned(content.masked_fill(~mask[..., None], 0.0), mask, torch.tensor([steps]), 12)
    expected = torch.zeros(12, 1)
    if frames and steps:
        expected[:steps] = slow.align(content[0, :frames], steps)
    torch.testing.assert_close(words[0], expected)


def test_as_many_frames_as_steps_are_read_one_by_one():
    content = torch.randn(1, 6, 2)
    mask = torch.ones(1, 6, dtype=torch.bool)
    torch.testing.assert_close(aligned(content, mask, torch.tensor([6]), 6), content)


def test_a_clip_without_text_has_a_step_for_each_frame_of_its_longer_sequence():
    features = make_features([5, 0, 0, 0], [9, 2, 4, 0], [8, 6, 0, 0])
    assert step_counts(features).tolist() == [5, 6, 4, 0]


def test_the_last_real_token_is_found():
    features = make_features([5, 1, 0], [1, 1, 1], [1, 1, 1])
    last = last_token(features.text, features.text_mask)
    torch.testing.assert_close(last[0], features.text[0, 4])
    torch.testing.assert_close(last[1], features.text[1, 0])
    assert (last[2] == 0).all()


def test_the_last_token_is_indexed_for_a_short_backward_pass():
    """In a fixed order a GPU sorts every number for the backward pass of `gather`."""
    tokens = torch.randn(2, 3, 4, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    last = last_token(tokens, mask)
    last.sum().backward()
    expected = torch.zeros(2, 3, 4)
    expected[0, 1] = 1.0
    assert tokens.grad.equal(expected)
    masked = last.grad_fn.next_functions[0][0]
    assert masked.name() == "IndexBackward0"


@pytest.mark.parametrize("both_directions", [False, True])
def test_an_lstm_ends_at_the_last_real_step(both_directions):
    features = make_features([5, 2, 0], [1, 1, 1], [1, 1, 1])
    layer = RealSteps(12, 4, layers=2, both_directions=both_directions).double()
    outputs, final = layer(features.text, features.text_mask)
    for row, count in enumerate((5, 2)):
        expected, last = slow.lstm(layer.rnn, clip_of(features, row)["text"])
        same(outputs[row, :count], expected)
        same(final[row], last)
        assert (outputs[row, count:] == 0).all()
    assert (final[2] == 0).all() and (outputs[2] == 0).all()


def test_an_lstm_keeps_the_precision_of_its_weights_inside_autocast():
    layer = RealSteps(3, 4)
    tokens, mask = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        inside = layer(tokens.bfloat16(), mask)[1]
    torch.testing.assert_close(inside, layer(tokens.bfloat16().float(), mask)[1])


def test_zeros_make_every_modality_present():
    features = make_features([5, 0], [0, 2], [1, 0])
    assert with_absent(features, "absent") is features
    zeros = with_absent(features, "zeros")
    assert zeros.present.all()
    assert zeros.text_mask.sum(1).tolist() == [5, 1]
    assert (zeros.text[1] == 0).all()
