"""Small pictures and sound of cached clips, from the frame store; a clip that has none there has none here."""

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


@dataclass(frozen=True)
class Film:
    """A clip to look at."""

    places: tuple[int, ...]  # which of the clip's frames
    times_s: tuple[float, ...]
    pictures: tuple[np.ndarray, ...]  # (h, w, 3) uint8, small
    # (P,) loudest sample of each of P equal parts of the sound, 0 … 1; empty where there is no
    # sound
    peaks: np.ndarray


NOTHING = Film((), (), (), np.zeros(0))


def films(
    layout: CacheLayout, rows: Sequence[Row], frames_per_s: int, count: int = 6, parts: int = 240
) -> list[Film]:
    """At most `count` pictures of each clip, evenly spread over it.

    Imported features have neither frames nor sound.
    """
    try:
        store = FrameStore(layout.frames)
    except FileNotFoundError:
        return [NOTHING] * len(rows)
    with store:
        return [_film(store, row, frames_per_s, count, parts) for row in rows]


def _film(store: FrameStore, row: Row, frames_per_s: int, count: int, parts: int) -> Film:
    try:
        raw = store.get(row.key)
    except (KeyError, RecordError):
        return NOTHING
    total = 0 if raw.frames is None else len(raw.frames)
    # The middle of each of `count` equal parts, so that a first black frame does not stand for a
    # clip.
    places = (
        tuple(range(total))
        if total <= count
        else tuple((2 * i + 1) * total // (2 * count) for i in range(count))
    )
    pictures = () if raw.frames is None else tuple(small(raw.frames[place]) for place in places)
    peaks = np.zeros(0)
    if raw.waveform is not None and len(raw.waveform):
        chunks = np.array_split(
            np.abs(raw.waveform.astype(np.float64)) / 32768, min(parts, len(raw.waveform))
        )
        peaks = np.array([chunk.max() for chunk in chunks])
    return Film(places, tuple(place / frames_per_s for place in places), pictures, peaks)


def small(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) → the same picture, HEIGHT_PX high."""
    height, width = frame.shape[:2]
    size = (max(1, round(width * HEIGHT_PX / height)), HEIGHT_PX)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))
