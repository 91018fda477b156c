"""Each protocol drops what it says, and depends on clip, seed and draw alone."""

from __future__ import annotations

import numpy as np
import pytest

from semanticmac.cache.batch import ClipInput
from semanticmac.eval.missing.drop import Drop

PROTOCOLS = ("own", "same", "modalities", "steps", "block")
COUNTS = {"text": 12, "audio": 40, "vision": 38}
CLIPS = [f"clip-{number}" for number in range(400)]


def clip(words: int = 12, audio: int = 40, vision: int = 38) -> ClipInput:
    text = " ".join(f"word{number}" for number in range(words))
    return ClipInput(text, np.ones((vision, 3), np.float16), np.ones((audio, 2), np.float16))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_rate_zero_changes_nothing(protocol):
    complete = clip()
    for name in CLIPS[:20]:
        assert Drop(protocol, 0.0).apply(name, complete) == (complete, 0.0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_the_rate_is_the_share_that_is_dropped(protocol, rate):
    shares = [Drop(protocol, rate).apply(name, clip())[1] for name in CLIPS]
    expected = rate
    if protocol == "modalities":
        # Three modalities are dropped with this rate, and of all three one remains.
        expected = rate - rate**3 / 3
    assert np.mean(shares) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_dropped_at_a_rate_is_dropped_at_every_greater_one(protocol):
    for name in CLIPS[:50]:
        previous = Drop(protocol, 0.0).kept(name, COUNTS)
        for rate in (0.1, 0.3, 0.5, 0.6, 0.8, 0.9):
            kept = Drop(protocol, rate).kept(name, COUNTS)
            for modality in COUNTS:
                assert not (kept[modality] & ~previous[modality]).any()
            previous = kept


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_seed_draw_and_clip_decide(protocol):
    def pattern(name: str, **changes: int) -> list[bool]:
        kept = Drop(protocol, 0.5, **changes).kept(name, COUNTS)
        return [bool(each) for modality in kept.values() for each in modality]

    assert pattern("a") == pattern("a")
    for changes in ({"seed": 1}, {"draw": 1}):
        assert any(pattern(name) != pattern(name, **changes) for name in CLIPS[:20])
    assert len({tuple(pattern(name)) for name in CLIPS[:20]}) > 1


def test_own_rates_differ_between_modalities_and_same_rates_do_not():
    counts = dict.fromkeys(COUNTS, 2000)

    def shares(protocol: str) -> np.ndarray:
        kept = Drop(protocol, 0.4).kept("clip", counts)  # type: ignore[arg-type]
        return np.array([1 - kept[name].mean() for name in counts])

    assert shares("same") == pytest.approx([0.4] * 3, abs=0.05)
    assert np.ptp(shares("own")) > 0.1


def test_one_modality_that_the_clip_has_always_remains():
    for counts in (
        COUNTS,
        {"text": 0, "audio": 5, "vision": 5},
        {"text": 0, "audio": 5, "vision": 0},
    ):
        for name in CLIPS[:100]:
            kept = Drop("modalities", 0.9).kept(name, counts)
            remaining = [modality for modality in counts if kept[modality].any()]
            assert remaining
            for modality in counts:
                assert kept[modality].all() or not kept[modality].any()


def test_time_steps_are_the_same_in_all_modalities():
    for protocol in ("steps", "block"):
        counts = {"text": 40, "audio": 40, "vision": 40}
        kept = Drop(protocol, 0.5).kept("clip", counts)  # type: ignore[arg-type]
        assert (kept["audio"] == kept["vision"]).all() and (kept["audio"] == kept["text"]).all()
        # Word i of four reads step (i + ½)·40 / 4.
        short = Drop(protocol, 0.5).kept("clip", counts | {"text": 4})  # type: ignore[arg-type]
        assert short["text"].tolist() == [bool(kept["audio"][step]) for step in (5, 15, 25, 35)]
        # A text without frames has its words as steps.
        words = Drop(protocol, 0.5).kept("clip", {"text": 40, "audio": 0, "vision": 0})  # type: ignore[arg-type]
        assert (words["text"] == kept["audio"]).all()


def test_a_block_is_one_block():
    starts = set()
    for name in CLIPS:
        dropped = np.flatnonzero(~Drop("block", 0.3).kept(name, COUNTS)["audio"])
        assert len(dropped) == 12 and dropped[-1] - dropped[0] == 11
        starts.add(int(dropped[0]))
    assert min(starts) == 0 and max(starts) == 28


def test_words_are_absent_or_replaced_by_the_unknown_token():
    drop = Drop("same", 0.5)
    kept = drop.kept("clip", COUNTS)["text"]
    words = clip().text.split()
    expected = [word for word, keep in zip(words, kept, strict=True) if keep]
    assert drop("clip", clip()).text.split() == expected
    replaced = Drop("same", 0.5, substitute="[UNK]")("clip", clip()).text.split()
    assert [word != "[UNK]" for word in replaced] == kept.tolist()


def test_only_the_named_modalities_lose_something():
    changed = Drop("same", 0.9, drops=("audio",))("clip", clip())
    assert changed.text == clip().text and changed.vision_kept is None
    assert changed.audio_kept is not None and not changed.audio_kept.all()


def test_an_absent_modality_stays_absent():
    empty = ClipInput("", None, None)
    for protocol in PROTOCOLS:
        assert Drop(protocol, 0.5).apply("clip", empty) == (empty, 0.0)  # type: ignore[arg-type]
