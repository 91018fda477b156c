"""Who speaks: the motion of each face's mouth region, weighted with the energy of the voice.

Between two frames in a row, the mouth region of one is laid over that of the other with every small
shift; the least mean difference is the motion. So neither a moving head nor an inexact box counts.
Strong contrasts, such as beards, leave larger differences where the shift is not a whole pixel;
the motion is divided by the square root of the region's mean gradient.

A track's score is the lower quartile of the mouth's motions, where each counts with the energy of
the voice in its interval, minus half of the median motion of the eyes. A speaker's mouth moves
nearly all the time that the voice sounds, a listener's mouth now and then; a turning head, light
and noise move the eyes too. The face with the highest score speaks. benchmarks/faces.py measures
how often that is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from semanticmac.preprocess.faces.tracks import Track

PATCH_PX = 72  # a face is resized to this square
# The mouth region in that square: rows from the upper lip to the chin, columns of the lips.
MOUTH_ROWS, MOUTH_COLUMNS = (44, 66), (18, 54)
EYE_ROWS, EYE_COLUMNS = (12, 34), (10, 62)
EYE_SHARE = 0.5  # of the eyes' motion, subtracted from that of the mouth
NOT_MEASURED = -9.0  # the score of a track of one frame, below any that can be measured
MOST_SHIFT_PX = 4  # in the square, in each direction
LEAST_GRADIENT = 0.5  # grey levels; keeps an even region from counting without limit
QUANTILE = 0.25


@dataclass(frozen=True)
class Dense:
    """The frames in which motion is measured."""

    frames: np.ndarray  # (n, H, W, 3) uint8
    per_row: int  # frames for each row of the embeddings: frame 0, per_row, 2 · per_row … are rows
    scale: float  # pixels of these frames for one pixel of the boxes


def score_tracks(
    tracks: Sequence[Track], dense: Dense, waveform: np.ndarray | None, duration_s: float
) -> list[float]:
    """The score of each track; NOT_MEASURED for a track of one frame."""
    energy = voice_energy(waveform, len(dense.frames), duration_s, dense.per_row)
    scores = []
    for track in tracks:
        times, mouth, eyes = motions(track, dense)
        if not len(times):
            scores.append(NOT_MEASURED)
            continue
        steady = weighted_quantile(mouth, energy[times], QUANTILE)
        scores.append(steady - EYE_SHARE * float(np.median(eyes)))
    return scores


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The least value such that it and the smaller ones have this share of all weights."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    position = int(np.searchsorted(reached, share * reached[-1]))
    return float(values[order][min(position, len(values) - 1)])


def motions(track: Track, dense: Dense) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a track lasts: the index of each frame after the first, the motion up to it of the
    mouth, and that of the eyes.
    """
    times: list[int] = []
    mouth: list[float] = []
    eyes: list[float] = []
    previous: np.ndarray | None = None
    for index in range(len(dense.frames)):
        moment = index / dense.per_row
        if not track.lasts_at(moment):
            previous = None
            continue
        patch = face_patch(dense.frames[index], track.steady_box_at(moment) * dense.scale)
        if previous is not None:
            times.append(index)
            mouth.append(region_motion(previous, patch, MOUTH_ROWS, MOUTH_COLUMNS))
            eyes.append(region_motion(previous, patch, EYE_ROWS, EYE_COLUMNS))
        previous = patch
    return np.array(times, np.int64), np.array(mouth), np.array(eyes)


def face_patch(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(PATCH_PX, PATCH_PX, 3) float32: the part of the box that lies in the frame."""
    height, width = frame.shape[:2]
    left, top = max(0.0, float(box[0])), max(0.0, float(box[1]))
    right, bottom = min(float(width), float(box[2])), min(float(height), float(box[3]))
    if right - left < 1 or bottom - top < 1:
        return np.zeros((PATCH_PX, PATCH_PX, 3), np.float32)
    size = (PATCH_PX, PATCH_PX)
    picture = Image.fromarray(frame).resize(
        size, Image.Resampling.BILINEAR, box=(left, top, right, bottom)
    )
    return np.asarray(picture, np.float32)


def region_motion(
    before: np.ndarray, after: np.ndarray, rows: tuple[int, int], columns: tuple[int, int]
) -> float:
    """The motion of a region between two patches; small shifts of it do not count."""
    (top, bottom), (left, right) = rows, columns
    region = before[top:bottom, left:right]
    least = np.inf
    for down in range(-MOST_SHIFT_PX, MOST_SHIFT_PX + 1):
        for across in range(-MOST_SHIFT_PX, MOST_SHIFT_PX + 1):
            shifted = after[top + down : bottom + down, left + across : right + across]
            least = min(least, float(np.abs(region - shifted).mean()))
    gradient = np.abs(np.diff(region, axis=0)).mean() + np.abs(np.diff(region, axis=1)).mean()
    return least / float(np.sqrt(gradient / 2 + LEAST_GRADIENT))


def voice_energy(
    waveform: np.ndarray | None, count: int, duration_s: float, per_row: int
) -> np.ndarray:
    """(count,) root mean square of the samples between frame k − 1 and frame k, at most 1.

    Without audio it is 1 everywhere, so that motion alone counts.
    """
    if waveform is None or not len(waveform) or count < 2:
        return np.ones(count)
    samples_per_frame = len(waveform) / (duration_s * 2 * per_row)
    energy = np.zeros(count)
    for index in range(1, count):
        first, last = round((index - 1) * samples_per_frame), round(index * samples_per_frame)
        part = waveform[first:last].astype(np.float64)
        if len(part):
            energy[index] = np.sqrt(np.mean(part**2))
    loudest = energy.max()
    if loudest == 0:
        return np.ones(count)
    relative: np.ndarray = energy / loudest
    return relative
