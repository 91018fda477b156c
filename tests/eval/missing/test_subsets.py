"""Subsets of the modalities, and frames or modalities dropped at random."""

from __future__ import annotations

from semanticmac.eval.missing.subsets import score_corruption, score_subsets


def test_a_rate_of_zero_scores_as_the_complete_clips_do(walks):
    data = walks["regression"].open()
    curve = score_corruption(data, "test", lambda *_: None, rates=(0.0, 0.9))
    subsets = score_subsets(data, "test", lambda *_: None)
    assert subsets[0].kept == ("text", "audio", "vision")
    assert curve[0].scores == subsets[0].scores == curve[2].scores
    assert curve[1].scores != curve[0].scores
