"""Previews of cached clips: small frames and the loudness, from the frame store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from semanticmac.cache.frame_codec import RecordError
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Row

HEIGHT_PX = 112
PARTS = 240  # of the audio
_LARGEST_SAMPLE = 32768  # of int16


@dataclass(frozen=True)
class Preview:
    """A few frames of a clip, and its loudness."""

    times_s: tuple[float, ...]  # of the frames
    frames: tuple[np.ndarray, ...]  # (h, w, 3) uint8, HEIGHT_PX high
    # (P,) loudest sample of each of at most PARTS equal parts, 0 … 1; empty without audio
    peaks: np.ndarray


EMPTY = Preview((), (), np.zeros(0))


def previews(
    layout: CacheLayout, rows: Sequence[Row], frames_per_s: int, count: int = 6
) -> list[Preview]:
    """A preview of each clip with at most `count` frames, evenly spread over it.

    It is empty for a clip that the frame store does not have, as for imported features.
    """
    try:
        store = FrameStore(layout.frames)
    except FileNotFoundError:
        return [EMPTY] * len(rows)
    with store:
        return [_preview(store, row, frames_per_s, count) for row in rows]


def _preview(store: FrameStore, row: Row, frames_per_s: int, count: int) -> Preview:
    try:
        raw = store.get(row.key)
    except (KeyError, RecordError):
        return EMPTY
    frames: list[np.ndarray] = [] if raw.frames is None else list(raw.frames)
    places = _middles(len(frames), count)
    times = []
    thumbnails = []
    for place in places:
        times.append(place / frames_per_s)
        thumbnails.append(small(frames[place]))
    return Preview(tuple(times), tuple(thumbnails), _peaks(raw.waveform))


def _middles(total: int, count: int) -> list[int]:
    """The middle of each of `count` equal parts: a clip may begin with a black frame."""
    if total <= count:
        return list(range(total))
    return [(2 * part + 1) * total // (2 * count) for part in range(count)]


def _peaks(waveform: np.ndarray | None) -> np.ndarray:
    if waveform is None or not len(waveform):
        return np.zeros(0)
    loudness = np.abs(waveform.astype(np.float64)) / _LARGEST_SAMPLE
    chunks = np.array_split(loudness, min(PARTS, len(waveform)))
    return np.array([chunk.max() for chunk in chunks])


def small(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) → the same frame, HEIGHT_PX high."""
    height, width = frame.shape[:2]
    size = (max(1, round(width * HEIGHT_PX / height)), HEIGHT_PX)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))
