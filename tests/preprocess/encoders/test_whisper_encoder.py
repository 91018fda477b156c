"""The encoder of Whisper against transformers' own forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.tiny_encoders import clip_with, save_whisper
from transformers import WhisperFeatureExtractor

from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders.registry import open_encoder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "whisper"
    return folder, save_whisper(folder)


@torch.inference_mode()
@pytest.mark.parametrize("layer", [None, 2])
def test_states_behind_the_end_are_dropped(saved, layer):
    folder, encoder = saved
    ending = "" if layer is None else f"@layer{layer}"
    ours = open_encoder(f"whisper:{folder}{ending}", "audio", "cpu")
    raw = clip_with(seconds=3.2, audio=True)
    samples = raw.waveform.astype(np.float32) / 32_768
    mel = WhisperFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="pt")
    output = encoder(mel["input_features"], output_hidden_states=True)
    states = output.last_hidden_state if layer is None else output.hidden_states[layer]
    states = states[0, :160].numpy()  # 50 a second
    assert states.shape == (160, 16)
    expected = []
    for row in range(7):
        centres = (np.arange(160) + 0.5) / 50
        expected.append(states[(centres >= row / 2 - 1) & (centres < row / 2 + 1)].mean(0))
    rows = ours.encode(raw)
    assert rows.shape == (7, 16)
    np.testing.assert_allclose(rows, np.array(expected), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("seconds", [0.001, 0.1, 31.0])
def test_short_and_long_audio(saved, seconds):
    encoder = open_encoder(f"whisper:{saved[0]}", "audio", "cpu")
    raw = clip_with(seconds=seconds, audio=True)
    assert len(encoder.states(raw.waveform)) == max(1, round(seconds * 50))
    assert np.isfinite(encoder.encode(raw)).all()


def test_no_audio(saved):
    encoder = open_encoder(f"whisper:{saved[0]}", "audio", "cpu")
    assert encoder.encode(clip_with(frames=2)) is None
    assert encoder.encode(RawClip(clip_with(frames=2).frames, np.zeros(0, np.int16), 1.0)) is None
