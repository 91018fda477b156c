"""imagebind-tiny: its loss against a loop, an interrupted training, and the packaged weights."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from support.demo_voices import random_sound
from support.tiny import BUDGET

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.demo.film import random_picture
from semanticmac.preprocess.demo.training import contrastive as contrast
from semanticmac.preprocess.demo.training.contrastive import begin, info_nce, take_step, train
from semanticmac.preprocess.demo.training.pool import Pool, lossy_picture, random_stream
from semanticmac.preprocess.encoders.imagebind.checkpoint import read_checkpoint
from semanticmac.preprocess.encoders.imagebind.encoder import (
    PACKAGED_TINY,
    load_encoders,
    normalise_pixels,
    weights_digest,
)
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram
from semanticmac.preprocess.encoders.imagebind.network import ImageBindConfig, TowerConfig

SMALL = ImageBindConfig(TowerConfig(16, 1, 2), TowerConfig(16, 1, 2), output=8, picture_px=28)


def loop(ours, theirs, our_affect, their_affect, sharpness, itself):
    """InfoNCE pair by pair."""
    total = 0.0
    for i in range(len(ours)):
        others = [j for j in range(len(theirs)) if not (itself and i == j)]
        shares = [
            math.exp(-(((our_affect[i] - their_affect[j]) / contrast.SAME_FEELING) ** 2) / 2)
            for j in others
        ]
        alike = [math.exp(sharpness * float(ours[i] @ theirs[j])) for j in others]
        for share, value in zip(shares, alike, strict=True):
            total -= share / sum(shares) * math.log(value / sum(alike)) / len(ours)
    return total


@pytest.mark.parametrize("itself", [False, True])
def test_info_nce_equals_the_loop(itself):
    torch.manual_seed(0)
    ours = torch.nn.functional.normalize(torch.randn(5, 4, dtype=torch.float64), dim=1)
    theirs = (
        ours
        if itself
        else torch.nn.functional.normalize(torch.randn(7, 4, dtype=torch.float64), dim=1)
    )
    our_affect = torch.rand(5, dtype=torch.float64) * 6 - 3
    their_affect = our_affect if itself else torch.rand(7, dtype=torch.float64) * 6 - 3
    sharpness = torch.tensor(6.0, dtype=torch.float64)
    expected = loop(ours, theirs, our_affect.tolist(), their_affect.tolist(), 6.0, itself)
    result = info_nce(ours, theirs, our_affect, their_affect, sharpness, itself)
    assert float(result) == pytest.approx(expected, abs=1e-9)


def test_with_feelings_far_apart_it_is_imagebinds_loss():
    torch.manual_seed(1)
    ours, theirs = torch.nn.functional.normalize(torch.randn(2, 6, 4, dtype=torch.float64), dim=2)
    apart = torch.arange(6, dtype=torch.float64) * 100
    logits = 10 * ours @ theirs.T
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(6))
    torch.testing.assert_close(info_nce(ours, theirs, apart, apart, torch.tensor(10.0)), expected)


def test_a_stopped_training_ends_with_the_same_weights(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(contrast, "KEEP_EVERY", 2)
    whole = begin(BUDGET, SMALL)
    train(whole, pool, tmp_path / "whole.pt", lambda _: None)
    stopped = begin(BUDGET, SMALL)
    for _ in range(3):
        take_step(stopped, pool)
    stopped.save(tmp_path / "stopped.pt")
    resumed = begin(BUDGET, SMALL)
    resumed.load(tmp_path / "stopped.pt")
    train(resumed, pool, tmp_path / "stopped.pt", lambda _: None)
    assert weights_digest(resumed.model.encoder) == weights_digest(whole.model.encoder)
    with pytest.raises(ValueError, match=r"is a run of .*'steps': 6.* Delete it to start again"):
        begin(replace(BUDGET, steps=7), SMALL).load(tmp_path / "stopped.pt")


def test_a_few_steps_lower_the_loss(pool: Pool):
    training = begin(replace(BUDGET, steps=60, acquaintance=1, learning_rate=2e-3), SMALL)
    losses = [take_step(training, pool) for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1


def test_the_packaged_weights_are_small_and_named_by_their_digest():
    assert PACKAGED_TINY.stat().st_size <= 4 * 2**20
    encoder, _ = load_encoders("imagebind-tiny", "cpu")
    assert encoder.trained
    assert encoder.fingerprint(Sampling()).weights == weights_digest(read_checkpoint(PACKAGED_TINY))
    assert encoder.fingerprint(Sampling()).demo_only


def test_the_packaged_weights_see_and_hear_the_affect_of_unknown_people():
    """docs/imagebind-tiny.md has the figures; the bar is lower here, for a small sample."""
    encoder, _ = load_encoders("imagebind-tiny", "cpu")
    rng = random_stream(11, 9)
    affects = rng.uniform(-3, 3, 150)
    px = encoder.model.config.picture_px
    pictures = np.stack(
        [lossy_picture(random_picture(rng, float(felt)), 85, px) for felt in affects]
    )
    sounds = np.stack([random_sound(rng, float(felt)) for felt in affects])
    with torch.inference_mode():
        vision = encoder.model.vision(normalise_pixels(torch.from_numpy(pictures))).numpy()
        audio = encoder.model.audio(mel_spectrogram(torch.from_numpy(sounds))).numpy()
    for embeddings in (vision, audio):
        scaled = (embeddings - embeddings[:100].mean(0)) / embeddings[:100].std()
        guess = Ridge(10.0).fit(scaled[:100], affects[:100]).predict(scaled[100:])
        assert np.corrcoef(guess, affects[100:])[0, 1] > 0.7
