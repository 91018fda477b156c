"""ImageBind's audio input: windows of 2 s of a waveform, and the Kaldi mel spectrogram of each.

ImageBind was trained on `torchaudio.compliance.kaldi.fbank`. This file computes the same numbers in
plain torch, for all windows at once, after Povey et al., "The Kaldi Speech Recognition Toolkit",
ASRU 2011.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 32_000  # 2 s, the clip length of ImageBind's training.
HOP_SAMPLES = 8_000  # One window per video frame: frames are at k/2 s.

FRAME_SAMPLES = 400  # 25 ms
# 10 ms. Frames that would leave the window are dropped (Kaldi's snip_edges): 198 remain.
FRAME_SHIFT_SAMPLES = 160
FFT_SAMPLES = 512
MEL_BINS = 128
MEL_LOW_HZ, MEL_HIGH_HZ = 20.0, 8_000.0
# The input size of ImageBind's audio encoder. The last six frames are zeros.
SPECTROGRAM_FRAMES = 204
PRE_EMPHASIS = 0.97
POWER_FLOOR = float(np.finfo(np.float32).eps)  # The log of silence is −15.94, never −∞.
LOG_MEL_MEAN, LOG_MEL_STD = -4.268, 9.138  # ImageBind's normalisation.


def windows_at(waveform: np.ndarray, frames: int) -> Tensor:
    """waveform (N,) int16, 16 kHz mono → (F, 32000) int16: window k is the 2 s centred on k/2 s.

    Outside the waveform a window is zeros, so that audio and vision have one row per frame. The
    result is a view of one padded copy: neighbouring windows share memory.
    """
    if waveform.ndim != 1 or waveform.dtype != np.int16:
        raise ValueError(
            f"the waveform is {waveform.dtype} {waveform.shape}, expected (N,) int16, 16 kHz mono"
        )
    if frames < 1:
        raise ValueError(f"frames={frames}: a clip has at least one frame")
    before = WINDOW_SAMPLES // 2
    padded = np.zeros((frames - 1) * HOP_SAMPLES + WINDOW_SAMPLES, np.int16)
    samples = waveform[: len(padded) - before]
    padded[before : before + len(samples)] = samples
    return torch.from_numpy(padded).unfold(0, WINDOW_SAMPLES, HOP_SAMPLES)


def mel_spectrogram(windows: Tensor) -> Tensor:
    """windows (W, 32000), 16 kHz → (W, 1, 128 mel, 204 time), normalised.

    The windows are int16, or floats in [−1, 1]; float64 stays float64. int16 is divided by 32768,
    as audio readers do: ImageBind's mean and deviation hold only for that scale. ImageBind first
    subtracts the mean of the window. That step is left out: Kaldi subtracts the mean of each frame,
    so it changes nothing, and zero padding gets no false step at its edge. A silent window has the
    lowest value everywhere, −1.278 after normalisation.

    In float32, bins near the lowest value beside a loud tone carry rounding noise of about 5e-4;
    elsewhere it is under 1e-5.
    """
    if windows.ndim != 2 or windows.shape[1] != WINDOW_SAMPLES:
        raise ValueError(
            f"the windows are {tuple(windows.shape)}, expected (W, {WINDOW_SAMPLES}): 2 s at 16 kHz"
        )
    if not windows.is_floating_point():
        windows = windows.float() / 32_768
    frames = windows.unfold(1, FRAME_SAMPLES, FRAME_SHIFT_SAMPLES)  # (W, 198, 400)
    frames = frames - frames.mean(dim=2, keepdim=True)

    # The first sample is its own predecessor.
    previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=2)
    hann, filters = _constants(windows.dtype, windows.device)
    emphasised = (frames - PRE_EMPHASIS * previous) * hann
    spectrum = torch.fft.rfft(emphasised, n=FFT_SAMPLES)  # (W, 198, 257)
    power = spectrum.abs().square()[..., :-1]  # Kaldi's filters leave the Nyquist bin out.
    log_mel = (power @ filters.T).clamp_min(POWER_FLOOR).log()  # (W, 198, 128)

    padding = SPECTROGRAM_FRAMES - log_mel.shape[1]
    log_mel = F.pad(log_mel.transpose(1, 2), (0, padding))  # (W, 128, 204)
    # The zeros of the padding are normalised too.
    normalised: Tensor = ((log_mel - LOG_MEL_MEAN) / LOG_MEL_STD).unsqueeze(1)
    return normalised


@cache
def _constants(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Hann window (400,) and mel filters (128, 256), copied to the device once."""
    with torch.inference_mode(False):  # They may be read outside of it later.
        hann = torch.hann_window(FRAME_SAMPLES, periodic=False, dtype=dtype)
        return hann.to(device), mel_filters().to(device, dtype)


@cache
def mel_filters() -> Tensor:
    """Mel filters over the bins of the FFT, (128, 256) float64.

    Triangles of equal width on the mel scale, 1127 · ln(1 + f / 700).
    """
    bin_hz = np.arange(FFT_SAMPLES // 2) * SAMPLE_RATE_HZ / FFT_SAMPLES
    edges = np.linspace(_mel(MEL_LOW_HZ), _mel(MEL_HIGH_HZ), MEL_BINS + 2)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (_mel(bin_hz) - left) / (centre - left)
    falling = (right - _mel(bin_hz)) / (right - centre)
    return torch.from_numpy(np.minimum(rising, falling).clip(min=0))


def _mel(frequency_hz: np.ndarray | float) -> np.ndarray:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency_hz) / 700.0))
