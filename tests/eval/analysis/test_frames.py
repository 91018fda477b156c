"""Frames are chosen evenly."""

from __future__ import annotations

from dataclasses import replace

import torch

from semanticmac.cache.batch import Batch
from semanticmac.eval.analysis import frames


def test_a_fixed_number_of_frames_is_chosen_evenly():
    vision = torch.arange(1.0, 8)[None, :, None].repeat(2, 1, 1)  # frames 1 … 7
    mask = torch.tensor([[True] * 7, [True] * 2 + [False] * 5])
    nothing = torch.zeros(2, 1, dtype=torch.bool)
    batch = Batch(
        ("a", "b"),
        torch.arange(2),
        torch.zeros(2, 1).long(),
        nothing,
        vision,
        mask,
        vision,
        mask,
        vision,
    )
    for count in (3, 10):
        chosen = frames.choose_frames(batch, count)
        for row, length in ((0, 7), (1, 2)):
            assert chosen.vision[row, :, 0].tolist() == [
                j * length // count + 1 for j in range(count)
            ]
        assert chosen.vision_mask.all() and chosen.audio.shape == (2, count, 1)
    absent = replace(batch, audio_mask=torch.zeros_like(mask))
    assert not frames.choose_frames(absent, 3).audio_mask.any()
