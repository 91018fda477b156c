"""The batches of `imagebind-tiny`'s training and its settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from semanticmac.preprocess.demo.training.pool import SHOTS, SOUND_FRAMES, Pool, random_stream
from semanticmac.preprocess.encoders.imagebind.encoder import normalise_pixels
from semanticmac.preprocess.encoders.imagebind.filterbank import (
    LOG_MEL_MEAN,
    LOG_MEL_STD,
    MEL_BINS,
    SPECTROGRAM_FRAMES,
)

# a zero of the spectrogram's last six frames, after normalisation
PADDING = -LOG_MEL_MEAN / LOG_MEL_STD
SHIFT_PX = 5


@dataclass(frozen=True)
class Budget:
    """All settings that determine the trained weights."""

    seed: int = 20_240_807
    pictures: int = 12_288
    voices: int = 8_192
    steps: int = 800
    faces: int = 8  # in a batch, each in SHOTS affects
    voices_heard: int = 32  # in a batch, their affects spread over the range
    learning_rate: float = 1e-3
    warm_up: int = 40  # steps
    acquaintance: int = 300  # steps until faces are compared as unknown ones


@dataclass(frozen=True)
class Batch:
    """The frames and sounds of one step."""

    pictures: Tensor  # (N, 3, P, P)
    sounds: Tensor  # (M, 1, 128, 204)
    picture_affects: Tensor  # (N,)
    sound_affects: Tensor  # (M,)


def draw_batch(pool: Pool, budget: Budget, step: int) -> Batch:
    """The batch of one step; it depends on seed and step alone.

    Pictures come face by face, so negatives of the same face differ only in affect.
    """
    rng = random_stream(budget.seed, 2, step)
    faces = rng.choice(len(pool.picture_affects) // SHOTS, budget.faces, replace=False)
    shots = (faces[:, None] * SHOTS + np.arange(SHOTS)).ravel()
    count = budget.voices_heard
    affects = -3 + 6 * (np.arange(count) + rng.random(count)) / count
    voices = np.minimum(np.searchsorted(pool.voice_affects, affects), len(pool.voice_affects) - 1)
    return Batch(
        varied_pictures(pool.pictures[shots], rng),
        varied_windows(pool, voices, rng),
        torch.from_numpy(pool.picture_affects[shots]),
        torch.from_numpy(pool.voice_affects[voices]),
    )


def varied_pictures(pictures: NDArray[np.uint8], rng: Generator) -> Tensor:
    """(N, 3, P, P) uint8 → the encoder's input, randomly mirrored, shifted, lighter or darker."""
    side = pictures.shape[2]
    varied = np.empty_like(pictures)
    for row, picture in enumerate(pictures):
        padded = np.pad(picture, ((0, 0), (SHIFT_PX, SHIFT_PX), (SHIFT_PX, SHIFT_PX)), mode="edge")
        top, left = rng.integers(0, 2 * SHIFT_PX + 1, 2)
        cut = padded[:, top : top + side, left : left + side]
        varied[row] = cut[:, :, ::-1] if rng.random() < 0.5 else cut
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (len(pictures), 1, 1, 1)).astype(np.float32))
    return normalise_pixels((torch.from_numpy(varied) * gain).clamp(0, 255))


def varied_windows(pool: Pool, voices: NDArray[np.int64], rng: Generator) -> Tensor:
    """voices (N,) → (N, 1, 128, 204): one window of 2 s of each, centred anywhere in the speech."""
    windows = np.full((len(voices), SPECTROGRAM_FRAMES, MEL_BINS), PADDING, np.float32)
    for row, voice in enumerate(voices):
        start = pool.mel_starts[voice] + rng.integers(0, pool.mel_frames[voice] - SOUND_FRAMES + 1)
        windows[row, :SOUND_FRAMES] = pool.mels[start : start + SOUND_FRAMES]
    # (N, 204, 128) → (N, 1, 128, 204)
    return torch.from_numpy(windows).transpose(1, 2).unsqueeze(1).contiguous()
