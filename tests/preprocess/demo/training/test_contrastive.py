"""imagebind-tiny: its loss against a loop, its training interrupted, and what the packaged weights see and hear."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.demo.film import random_picture, random_sound
from semanticmac.preprocess.demo.plan import DemoSpec, cast
from semanticmac.preprocess.demo.training import contrastive as contrast
from semanticmac.preprocess.demo.training.batch import Budget, draw_batch
from semanticmac.preprocess.demo.training.contrastive import begin, info_nce, take_step, train
from semanticmac.preprocess.demo.training.muon import orthogonal
from semanticmac.preprocess.demo.training.pool import (
    SOUND_FRAMES,
    Pool,
    log_mels,
    lossy_picture,
    make_pool,
    random_stream,
)
from semanticmac.preprocess.demo.voice import random_voice, speak
from semanticmac.preprocess.encoders.imagebind.checkpoint import read_checkpoint
from semanticmac.preprocess.encoders.imagebind.encoder import (
    PACKAGED_TINY,
    load_encoder,
    normalise_pixels,
    weights_digest,
)
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram, windows_at
from semanticmac.preprocess.encoders.imagebind.network import ImageBindConfig, TowerConfig

SMALL = ImageBindConfig(TowerConfig(16, 1, 2), TowerConfig(16, 1, 2), output=8, picture_px=28)
BUDGET = Budget(
    seed=3, pictures=64, voices=16, steps=6, faces=4, voices_heard=8, warm_up=2, acquaintance=3
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semanticmac.preprocess.demo.training.pool.CHUNK", 16)
        made = make_pool(folder, 3, 64, 16, 28, 1, lambda *_: None)
        kept = {file: file.read_bytes() for file in folder.iterdir()}
        lost = sorted(kept)[0]
        lost.unlink()  # as a killed run leaves it
        make_pool(folder, 3, 64, 16, 28, 1, lambda *_: None)
    assert {file: file.read_bytes() for file in folder.iterdir()} == kept
    return made


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


def test_muons_update_has_singular_values_near_one():
    torch.manual_seed(2)
    for shape in ((8, 24), (24, 8)):
        matrix = torch.randn(shape)
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        update = orthogonal(matrix)
        assert update.shape == matrix.shape
        values = torch.linalg.svdvals(update)
        assert float(values.min()) > 0.5 and float(values.max()) < 1.3
        assert (
            float((update * (left @ right)).sum() / (update.norm() * (left @ right).norm())) > 0.95
        )


def test_the_pool_holds_what_the_encoder_would_be_given(pool: Pool):
    rng = random_stream(3, 9)
    waveform = speak("we saw a nice house", random_voice(rng), 0.0, rng).waveform
    mels = log_mels(waveform)
    for k, window in enumerate(
        mel_spectrogram(windows_at(waveform, 3))[:, 0]
    ):  # windows centred on k/2 s
        rows = mels[50 * k : 50 * k + SOUND_FRAMES].T.astype(np.float32)
        np.testing.assert_allclose(rows, window[:, :SOUND_FRAMES].numpy(), atol=4e-3)
    batch = draw_batch(pool, BUDGET, 0)
    assert batch.pictures.shape == (32, 3, 28, 28) and batch.sounds.shape == (8, 1, 128, 204)
    assert float(batch.sounds[0, 0, 0, -1]) == pytest.approx(4.268 / 9.138)
    faces = pool.pictures[:8].astype(
        int
    )  # one face in eight feelings: the room is the same, the face is not
    assert abs(faces[0] - faces[7]).max() > 60 and np.median(abs(faces[0] - faces[7])) < 12
    assert (np.diff(pool.voice_affects) >= 0).all()


def test_the_demos_people_are_strangers_to_it():
    """No stream that the demo corpus draws from is one that the pool draws from, whatever the seed."""
    demo = {
        np.random.default_rng((1, kind, n)).integers(2**62)
        for kind in (1, 2, 3)
        for n in range(400)
    }
    ours = {
        random_stream(seed, kind, n).integers(2**62)
        for seed in (1, Budget().seed)
        for kind in (0, 1)
        for n in range(400)
    }
    assert not demo & ours
    assert cast(
        DemoSpec(seed=1), 0
    )  # the streams above are those of plan.py: (seed, 1 … 3, number)


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
    encoder = load_encoder("imagebind-tiny", "cpu")
    assert encoder.trained
    assert encoder.fingerprint(Sampling()).weights == weights_digest(read_checkpoint(PACKAGED_TINY))
    assert encoder.fingerprint(Sampling()).demo_only


def test_the_packaged_weights_see_and_hear_what_strangers_feel():
    """Measured on the demo corpus in docs/imagebind-tiny.md; here a small sample, so a lower bar."""
    encoder = load_encoder("imagebind-tiny", "cpu")
    rng = random_stream(11, 9)
    affects = rng.uniform(-3, 3, 150)
    px = encoder.model.config.picture_px
    pictures = np.stack(
        [lossy_picture(random_picture(rng, float(felt)), 85, px) for felt in affects]
    )
    sounds = np.stack([random_sound(rng, float(felt)) for felt in affects])
    with torch.inference_mode():
        seen = encoder.model.vision(normalise_pixels(torch.from_numpy(pictures))).numpy()
        listened = encoder.model.audio(mel_spectrogram(torch.from_numpy(sounds))).numpy()
    for embeddings in (seen, listened):
        scaled = (embeddings - embeddings[:100].mean(0)) / embeddings[:100].std()
        guess = Ridge(10.0).fit(scaled[:100], affects[:100]).predict(scaled[100:])
        assert np.corrcoef(guess, affects[100:])[0, 1] > 0.7
