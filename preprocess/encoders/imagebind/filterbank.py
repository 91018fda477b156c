"""Sound as ImageBind hears it: a waveform cut into 2 s windows, and each window's Kaldi mel spectrogram.

ImageBind was trained on `torchaudio.compliance.kaldi.fbank`; these are the same numbers in plain
torch, for all windows at once. The recipe is Kaldi's (Povey et al., "The Kaldi Speech Recognition
Toolkit", ASRU 2011).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 32_000  # 2 s, the clip length ImageBind was trained on
HOP_SAMPLES = 8_000  # one window a video frame: frames stand at k/2 s

FRAME_SAMPLES = 400  # 25 ms
# 10 ms; frames that would overrun the window are dropped (Kaldi's snip_edges): 198 remain
FRAME_SHIFT_SAMPLES = 160
FFT_SAMPLES = 512
MEL_BINS = 128
MEL_LOW_HZ, MEL_HIGH_HZ = 20.0, 8_000.0
# what ImageBind's audio encoder expects; the six frames beyond 198 are zeros
SPECTROGRAM_FRAMES = 204
PRE_EMPHASIS = 0.97
POWER_FLOOR = float(np.finfo(np.float32).eps)  # log of silence is −15.94, never −∞
LOG_MEL_MEAN, LOG_MEL_STD = -4.268, 9.138  # ImageBind's normalisation


def windows_at(waveform: np.ndarray, frames: int) -> Tensor:
    """waveform (N,) int16, 16 kHz mono → (F, 32000) int16: window k is the 2 s centred on k/2 s.

     Beyond either end of the waveform a window is zeros, so that sound and picture have one row each for every frame
    . The result is a view of one padded copy: neighbours share memory.
    """
    if waveform.ndim != 1 or waveform.dtype != np.int16:
        raise ValueError(
            f"the waveform is {waveform.dtype} {waveform.shape}, expected (N,) int16, 16 kHz mono"
        )
    if frames < 1:
        raise ValueError(f"frames={frames}: a clip has at least one frame")
    before = WINDOW_SAMPLES // 2
    padded = np.zeros((frames - 1) * HOP_SAMPLES + WINDOW_SAMPLES, np.int16)
    heard = waveform[: len(padded) - before]
    padded[before : before + len(heard)] = heard
    return torch.from_numpy(padded).unfold(0, WINDOW_SAMPLES, HOP_SAMPLES)


def mel_spectrogram(windows: Tensor) -> Tensor:
    """windows (W, 32000), int16 or float in [−1, 1], 16 kHz → (W, 1, 128 mel, 204 time), normalised; float64 stays so.

    int16 is divided by 32768, as audio readers do: ImageBind's mean and deviation hold for that
    scale and no other. ImageBind first subtracts the window's mean. That step is left out, for it
    changes nothing: Kaldi subtracts each frame's own mean, and a constant added to the window is
    gone with it. So zero padding gets no false step at its seam. A silent window is the floor
    everywhere, −1.278 after normalisation.

    In float32, bins near the floor beside a loud tone carry rounding noise of about 5e-4; elsewhere
    it is under 1e-5.
    """
    if windows.ndim != 2 or windows.shape[1] != WINDOW_SAMPLES:
        raise ValueError(
            f"the windows are {tuple(windows.shape)}, expected (W, {WINDOW_SAMPLES}): 2 s at 16 kHz"
        )
    if not windows.is_floating_point():
        windows = windows.float() / 32_768
    frames = windows.unfold(1, FRAME_SAMPLES, FRAME_SHIFT_SAMPLES)  # (W, 198, 400)
    frames = frames - frames.mean(dim=2, keepdim=True)
    previous = torch.cat(
        [frames[..., :1], frames[..., :-1]], dim=2
    )  # the first sample is its own predecessor
    hann = torch.hann_window(
        FRAME_SAMPLES, periodic=False, dtype=windows.dtype, device=windows.device
    )
    spectrum = torch.fft.rfft(
        (frames - PRE_EMPHASIS * previous) * hann, n=FFT_SAMPLES
    )  # (W, 198, 257)
    power = spectrum.abs().square()[..., :-1]  # Kaldi's filters leave the Nyquist bin out
    log_mel = (power @ mel_filters().to(windows).T).clamp_min(POWER_FLOOR).log()  # (W, 198, 128)
    log_mel = F.pad(
        log_mel.transpose(1, 2), (0, SPECTROGRAM_FRAMES - log_mel.shape[1])
    )  # (W, 128, 204)
    normalised: Tensor = ((log_mel - LOG_MEL_MEAN) / LOG_MEL_STD).unsqueeze(
        1
    )  # padding zeros are normalised as well
    return normalised


@cache
def mel_filters() -> Tensor:
    """(128, 256) float64: triangles of equal width on the mel scale, 1127 · ln(1 + f / 700), over the FFT's bins."""
    bin_hz = np.arange(FFT_SAMPLES // 2) * SAMPLE_RATE_HZ / FFT_SAMPLES
    edges = np.linspace(_mel(MEL_LOW_HZ), _mel(MEL_HIGH_HZ), MEL_BINS + 2)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (_mel(bin_hz) - left) / (centre - left)
    falling = (right - _mel(bin_hz)) / (right - centre)
    return torch.from_numpy(np.minimum(rising, falling).clip(min=0))


def _mel(frequency_hz: np.ndarray | float) -> np.ndarray:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency_hz) / 700.0))
