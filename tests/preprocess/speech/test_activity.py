"""Voice activity by energy and by Silero, on made sounds and on real voices."""

import numpy as np
import pytest

from semanticmac.preprocess.speech import activity
from semanticmac.preprocess.speech.activity import (
    ActivityError,
    EnergyActivity,
    SileroActivity,
    open_activity,
)
from semanticmac.preprocess.speech.audio import read_pieces
from semanticmac.preprocess.speech.spans import HOP_SAMPLES, SpanLimits, speech_spans

METHODS = [EnergyActivity, pytest.param(SileroActivity, id="SileroActivity")]


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (generator.standard_normal(round(seconds * 16_000)) * level * 32768).astype(np.int16)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samples", [0, 1, 511, 512, 513, 16_000])
def test_there_is_one_probability_for_each_512_samples(method, samples):
    if method is SileroActivity:
        pytest.importorskip("faster_whisper")
    speech = method().speech(noise(2, 0.1)[:samples])
    assert speech.shape == (-(-samples // HOP_SAMPLES),)
    assert speech.dtype == np.float32
    assert ((speech >= 0) & (speech <= 1)).all()


def test_energy_goes_by_the_noise_floor_and_not_by_the_volume():
    for gain in (1.0, 0.1):
        waveform = noise(12, 0.01 * gain)
        loud = slice(4 * 16_000, 6 * 16_000)
        waveform[loud] = noise(2, 0.1 * gain, seed=1)
        [span] = speech_spans(EnergyActivity().speech(waveform), SpanLimits())
        assert (span.start_s, span.end_s) == pytest.approx((3.85, 6.15), abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_silence_and_steady_noise_are_no_speech(method):
    if method is SileroActivity:
        pytest.importorskip("faster_whisper")
    for waveform in (np.zeros(160_000, np.int16), noise(10, 0.05)):
        assert speech_spans(method().speech(waveform), SpanLimits()) == []


def test_both_methods_hear_real_voices_at_the_same_place(shared_data):
    pytest.importorskip("faster_whisper")
    for path in sorted((shared_data / "grid").glob("*.mpg")):
        [piece] = read_pieces(path)
        [silero] = speech_spans(SileroActivity().speech(piece.samples), SpanLimits())
        [energy] = speech_spans(EnergyActivity().speech(piece.samples), SpanLimits())
        assert silero.overlap_s(energy) > 0.8 * silero.length_s


def test_the_method_is_chosen_by_what_is_installed(monkeypatch):
    monkeypatch.setattr(activity, "find_spec", lambda name: None)
    assert isinstance(open_activity("auto"), EnergyActivity)
    with pytest.raises(ActivityError, match=r"pip install 'semanticmac\[transcribe\]'"):
        open_activity("silero")
