"""The filter bank against the reference's numbers and against a loop of Kaldi's recipe."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from semanticmac.preprocess.encoders.imagebind.filterbank import (
    mel_filters,
    mel_spectrogram,
    windows_at,
)

GOLDEN = Path(__file__).parents[4] / "../shared/data/golden/imagebind_small_io.safetensors"


def mel_spectrogram_loop(window: np.ndarray) -> np.ndarray:
    """window (32000,) int16 → (128, 204): one frame and one filter at a time, in float64."""
    signal = window.astype(np.float64) / 32768
    signal = signal - signal.mean()  # ImageBind's own step, left out in mel_spectrogram
    spectrogram = np.zeros((128, 204))
    for frame in range(198):
        x = signal[160 * frame : 160 * frame + 400]
        x = x - x.mean()
        x = np.array([x[i] - 0.97 * x[max(i - 1, 0)] for i in range(400)])
        x = x * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399))
        power = np.abs(np.fft.fft(np.concatenate([x, np.zeros(112)]))) ** 2
        for mel_bin in range(128):
            spectrogram[mel_bin, frame] = math.log(max(FILTERS[mel_bin] @ power[:256], 2.0**-23))
    return (spectrogram + 4.268) / 9.138


def filters_loop() -> np.ndarray:
    def mel(hz: float) -> float:
        return 1127 * math.log(1 + hz / 700)

    filters, width = np.zeros((128, 256)), (mel(8000) - mel(20)) / 129
    for mel_bin in range(128):
        centre = mel(20) + (mel_bin + 1) * width
        for fft_bin in range(256):
            filters[mel_bin, fft_bin] = max(
                0.0, 1 - abs(mel(fft_bin * 16000 / 512) - centre) / width
            )
    return filters


FILTERS = filters_loop()


def noise(windows: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (
        (torch.randn(windows, 32000, generator=generator) * 3000)
        .clamp(-32768, 32767)
        .to(torch.int16)
    )


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"the reference's numbers are not at {GOLDEN}")
def test_mel_spectrogram_equals_the_reference() -> None:
    golden = load_file(GOLDEN)
    ours, theirs = mel_spectrogram(golden["audio.waveform"]), golden["audio.melspec"]
    torch.testing.assert_close(ours[1:], theirs[1:], atol=1e-4, rtol=0)
    # The first window is a loud sweep. In its near-silent bins the reference itself is 5e-4 away
    # from the same recipe in float64: what differs there is the rounding of two Fourier transforms.
    difference = (ours[0] - theirs[0]).abs()
    assert difference.max() < 1e-3
    assert (difference < 1e-4).double().mean() > 0.98


def test_mel_spectrogram_equals_the_loop() -> None:
    windows = noise(2)
    windows[1, 20000:] = 0
    ours = mel_spectrogram(windows.double() / 32768)
    for window, spectrogram in zip(windows, ours, strict=True):
        np.testing.assert_allclose(
            spectrogram[0].numpy(), mel_spectrogram_loop(window.numpy()), atol=1e-9
        )
    torch.testing.assert_close(mel_spectrogram(windows), ours.float(), atol=1e-4, rtol=0)


def test_mel_filters_equal_the_loop() -> None:
    np.testing.assert_allclose(mel_filters().numpy(), FILTERS, atol=1e-12)


def test_int16_and_its_float_form_are_the_same_sound() -> None:
    torch.testing.assert_close(
        mel_spectrogram(noise(1)), mel_spectrogram(noise(1).float() / 32768), atol=0, rtol=0
    )


def test_a_constant_added_to_a_window_changes_nothing() -> None:
    sound = noise(1).double() / 32768
    torch.testing.assert_close(
        mel_spectrogram(sound + 0.3), mel_spectrogram(sound), atol=1e-9, rtol=0
    )


def test_silence_is_the_floor_and_the_padding_is_zero_before_normalising() -> None:
    silence = mel_spectrogram(torch.zeros(1, 32000, dtype=torch.int16))[0, 0]
    torch.testing.assert_close(
        silence[:, :198], torch.full((128, 198), (math.log(2.0**-23) + 4.268) / 9.138)
    )
    torch.testing.assert_close(silence[:, 198:], torch.full((128, 6), 4.268 / 9.138))


def test_a_window_does_not_depend_on_its_neighbours() -> None:
    windows = noise(3)
    torch.testing.assert_close(
        mel_spectrogram(windows)[2:], mel_spectrogram(windows[2:]), atol=1e-5, rtol=0
    )


@settings(max_examples=25, deadline=None)
@given(samples=st.integers(0, 60_000), frames=st.integers(1, 9))
def test_windows_at_equals_the_loop(samples: int, frames: int) -> None:
    waveform = (np.arange(samples) % 30_011 + 1).astype(
        np.int16
    )  # never 0: padding is told from sound
    windows = windows_at(waveform, frames)
    assert windows.shape == (frames, 32000)
    for k in range(frames):
        for offset in range(0, 32000, 997):
            at = k * 8000 - 16000 + offset  # sample 16000 of a window is the instant k/2 s
            assert windows[k, offset] == (waveform[at] if 0 <= at < samples else 0)


def test_windows_at_reads_a_read_only_waveform() -> None:
    waveform = np.frombuffer(np.ones(16000, np.int16).tobytes(), np.int16)
    assert windows_at(waveform, 2).sum() == 2 * 16000  # both windows hold the whole second


@pytest.mark.parametrize(
    ("waveform", "frames", "message"),
    [
        (np.zeros(10, np.float32), 1, r"float32 \(10,\), expected \(N,\) int16"),
        (np.zeros((2, 10), np.int16), 1, r"int16 \(2, 10\), expected \(N,\) int16"),
        (np.zeros(10, np.int16), 0, "frames=0: a clip has at least one frame"),
    ],
)
def test_windows_at_refuses(waveform: np.ndarray, frames: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windows_at(waveform, frames)


def test_mel_spectrogram_refuses_another_length() -> None:
    with pytest.raises(ValueError, match=r"\(1, 16000\), expected \(W, 32000\)"):
        mel_spectrogram(torch.zeros(1, 16000))
