"""Encoders of samples against transformers' own forward pass, on tiny random models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_encoders import KIND_OF, WAVEFORM_KINDS, clip_with, save_encoder

from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders import transformers_audio
from semanticmac.preprocess.encoders.registry import open_encoder
from semanticmac.preprocess.encoders.transformers_audio import WaveformEncoder, chunk_bounds

STEP, FIELD = 320, 400


def opened(name: str, folder: Path, ending: str = "") -> WaveformEncoder:
    encoder = open_encoder(f"{KIND_OF[name]}:{folder}{ending}", "audio", "cpu")
    assert isinstance(encoder, WaveformEncoder)
    return encoder


@pytest.fixture(scope="module", params=WAVEFORM_KINDS)
def saved(request: Any, tmp_path_factory: Any) -> tuple[str, Path, Any]:
    folder = tmp_path_factory.mktemp("models") / request.param
    return request.param, folder, save_encoder(request.param, folder)


def samples_of(name: str, raw: RawClip) -> torch.Tensor:
    samples = raw.waveform.astype(np.float64) / 32_768
    if name.endswith("-large"):
        samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    return torch.from_numpy(samples.astype(np.float32))[None]


def by_loop(states: np.ndarray, rows: int) -> np.ndarray:
    """Row k: the mean of the states with their centre in [k/2 − 1, k/2 + 1)."""
    means = []
    for row in range(rows):
        chosen = []
        for j, state in enumerate(states):
            centre_s = (j * STEP + FIELD / 2) / 16_000
            if row / 2 - 1 <= centre_s < row / 2 + 1:
                chosen.append(state)
        means.append(np.mean(chosen, axis=0))
    return np.array(means)


@torch.inference_mode()
@pytest.mark.parametrize("layer", [None, 1, 2, 3])
def test_rows_are_means_of_the_states_of_transformers(saved, layer):
    name, folder, model = saved
    raw = clip_with(seconds=3.2, audio=True)
    encoder = opened(name, folder, "" if layer is None else f"@layer{layer}")
    output = model(samples_of(name, raw), output_hidden_states=True)
    states = output.last_hidden_state if layer is None else output.hidden_states[layer]
    rows = encoder.encode(raw)
    assert rows.dtype == np.float16 and rows.shape == (7, 16)
    np.testing.assert_allclose(rows, by_loop(states[0].numpy(), 7), rtol=2e-3, atol=1e-3)


def test_clips_of_one_batch_change_nothing(saved):
    name, folder, _ = saved
    encoder, raw = opened(name, folder), clip_with(seconds=1.3, audio=True)
    first = encoder.encode(raw)
    encoder.encode(clip_with(seconds=4, audio=True, seed=1))
    np.testing.assert_array_equal(encoder.encode(raw), first)


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.1, 0.5])
def test_short_audio(saved, seconds):
    name, folder, _ = saved
    rows = opened(name, folder).encode(clip_with(seconds=seconds, audio=True))
    assert rows.shape == (1, 16) and np.isfinite(rows).all()


def test_no_audio(saved):
    name, folder, _ = saved
    encoder = opened(name, folder)
    assert encoder.encode(clip_with(frames=2)) is None
    assert encoder.encode(RawClip(clip_with(frames=2).frames, np.zeros(0, np.int16), 1.0)) is None


def test_chunks_of_a_long_clip_leave_no_gap(saved, monkeypatch):
    name, folder, _ = saved
    encoder, raw = opened(name, folder), clip_with(seconds=5, audio=True)
    whole = encoder.states(raw.waveform)
    monkeypatch.setattr(transformers_audio, "CHUNK_SAMPLES", 16_000)
    chunked = encoder.states(raw.waveform)
    assert chunked.shape == whole.shape == (249, 16)


@pytest.mark.parametrize("samples", [480_001, 1_000_000, 1_439_999, 480_400])
def test_chunk_bounds(samples):
    states = (samples - FIELD) // STEP + 1
    bounds = chunk_bounds(samples, STEP, FIELD)
    assert bounds[0][0] == 0 and bounds[-1][1] == samples
    counts = [(stop - start - FIELD) // STEP + 1 for start, stop in bounds]
    assert sum(counts) == states and max(counts) - min(counts) <= 1
    starts = np.cumsum([0, *counts[:-1]]) * STEP
    assert [start for start, _ in bounds] == starts.tolist()
