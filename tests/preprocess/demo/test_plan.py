"""The plan of the demo corpus: sizes, splits, labels and refused settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.demo import SMALL

from semanticmac.preprocess.demo.plan import MIXTURE, NOISE, DemoSpec, plan


def test_plan_has_the_stated_sizes_and_no_speaker_or_line_in_two_splits():
    records = plan(DemoSpec())
    by_split = {
        split: [r for r in records if r.split == split] for split in ("train", "valid", "test")
    }
    assert [len(part) for part in by_split.values()] == [220, 40, 60]
    assert len({r.clip_id for r in records}) == 320
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not {r.speaker for r in by_split[first]} & {r.speaker for r in by_split[second]}
        assert not {r.text for r in by_split[first]} & {r.text for r in by_split[second]}


def test_label_is_the_stated_mixture_and_no_modality_alone_explains_it():
    records = plan(DemoSpec(clips=2000))
    labels = np.array([r.label for r in records])
    unimodal = np.array([[r.label_text, r.label_audio, r.label_vision] for r in records])
    residual = labels - unimodal @ np.array([MIXTURE["text"], MIXTURE["audio"], MIXTURE["vision"]])
    assert abs(residual.std() - NOISE) < 0.02
    assert np.abs(unimodal).max() <= 3
    assert np.abs(labels).max() <= 3
    for modality in range(3):
        assert 0.5 < np.corrcoef(unimodal[:, modality], labels)[0, 1] < 0.82
    contradicting = (unimodal[:, 1] * unimodal[:, 2] < 0).mean()
    assert 0.3 < contradicting < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": 7}, "at least 8"),
        ({"seed": -1}, "must not be negative"),
        ({"size_px": 63}, "must be even"),
    ],
)
def test_impossible_specs_are_refused(change: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
