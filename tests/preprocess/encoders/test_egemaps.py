"""egemaps: the functionals of openSMILE by window, and its licence."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support.tiny_encoders import clip_with

from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders.egemaps import LICENCE
from semanticmac.preprocess.encoders.registry import open_encoder
from semanticmac.preprocess.encoders.spec import EncoderNotFound


def test_without_opensmile_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(EncoderNotFound, match=r"pip install 'semanticmac\[egemaps\]'"):
        open_encoder("egemaps", "audio")


def test_rows_are_functionals_of_windows():
    opensmile = pytest.importorskip("opensmile", reason="needs semanticmac[egemaps]")
    notices = []
    encoder = open_encoder("egemaps", "audio", notice=notices.append)
    assert notices == [LICENCE] and encoder.width == 88
    raw = clip_with(seconds=2.6, audio=True)
    rows = encoder.encode(raw)
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    samples = raw.waveform.astype(np.float32) / 32_768
    for row, (start, stop) in enumerate([(0, 16_000), (0, 24_000), (0, 32_000), (8_000, 40_000)]):
        expected = smile.process_signal(samples[start:stop], 16_000).to_numpy()[0]
        np.testing.assert_allclose(rows[row], expected, rtol=2e-3, atol=2e-3)
    assert rows.shape == (6, 88)


def test_short_audio_and_none():
    pytest.importorskip("opensmile", reason="needs semanticmac[egemaps]")
    encoder = open_encoder("egemaps", "audio", notice=lambda text: None)
    for seconds in (0.001, 0.1):
        rows = encoder.encode(clip_with(seconds=seconds, audio=True))
        assert rows.shape == (1, 88) and np.isfinite(rows).all()
    silent = encoder.encode(RawClip(None, np.zeros(16_000, np.int16), 1.0))
    assert np.isfinite(silent).all()
    assert encoder.encode(clip_with(frames=2)) is None
