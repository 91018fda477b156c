"""Dropped frames and modalities depend on the clip alone."""

from __future__ import annotations

import torch

from semanticmac.eval.corruption import (
    drop_frames,
    drop_random_modalities,
    score_corruption,
    score_subsets,
)


def test_losing_nothing_changes_nothing_and_a_loss_belongs_to_the_clip(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    whole = data.predict(rows)
    curve = score_corruption(data, "test", lambda *_: None, rates=(0.0, 0.9))
    plain = score_subsets(data, "test", lambda *_: None)
    assert curve[0].scores == plain[0].scores == curve[2].scores and plain[0].kept == (
        "text",
        "audio",
        "vision",
    )
    assert curve[1].scores != curve[0].scores
    [batch] = data.batches(rows)
    [alone] = data.batches(rows[3:4])
    both = drop_frames(batch, 0.5, 7), drop_frames(alone, 0.5, 7)
    frames = alone.audio_mask.shape[1]
    assert torch.equal(both[0].audio_mask[3, :frames], both[1].audio_mask[0])
    assert torch.equal(both[0].token_mask, batch.token_mask)
    for rate in (0.5, 1.0):
        left = drop_random_modalities(batch, rate, 7, ("text", "audio", "vision"))
        masks = torch.stack(
            [left.token_mask.any(1), left.audio_mask.any(1), left.vision_mask.any(1)], 1
        )
        assert masks.any(1).all() and (rate < 1 or (masks.sum(1) == 1).all())
    assert whole.clip_ids == tuple(row.clip_id for row in rows)
