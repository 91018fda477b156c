"""The training data of imagebind-tiny."""

from __future__ import annotations

import numpy as np

from semanticmac.preprocess.demo.plan import DemoSpec, cast
from semanticmac.preprocess.demo.training.batch import Budget
from semanticmac.preprocess.demo.training.pool import SOUND_FRAMES, Pool, log_mels, random_stream
from semanticmac.preprocess.demo.voice import random_voice, speak
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram, windows_at


def test_the_pool_holds_what_the_encoder_would_be_given(pool: Pool):
    rng = random_stream(3, 9)
    waveform = speak("we saw a nice house", random_voice(rng), 0.0, rng).waveform
    mels = log_mels(waveform)
    # Windows are centred on k/2 s.
    for k, window in enumerate(mel_spectrogram(windows_at(waveform, 3))[:, 0]):
        rows = mels[50 * k : 50 * k + SOUND_FRAMES].T.astype(np.float32)
        np.testing.assert_allclose(rows, window[:, :SOUND_FRAMES].numpy(), atol=4e-3)
    # One face with eight affects: the background is the same, the face is not.
    faces = pool.pictures[:8].astype(int)
    assert abs(faces[0] - faces[7]).max() > 60 and np.median(abs(faces[0] - faces[7])) < 12
    assert (np.diff(pool.voice_affects) >= 0).all()


def test_the_pool_and_the_demo_corpus_share_no_people():
    """The demo corpus and the pool share no random stream, for any seed."""
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
    # The streams of `demo` are those of plan.py: (seed, 1 … 3, number).
    assert cast(DemoSpec(seed=1), 0)
