"""Decoded frames in native size → the frames that are stored: turned upright, cropped, resized."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from PIL import Image

from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.request import Crop

MAX_ASPECT = 10.0
MAX_SKEW = 0.02  # of a display matrix; a degree
# Nits of white in SDR, and of the reference white of an HDR film (ITU-R BT.2408).
REFERENCE_WHITE_NITS = 203.0
HLG_PEAK_NITS = 1000.0
ROWS_AT_ONCE = 256
# ITU-R BT.2087: linear BT.2020 → linear BT.709
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class FrameSizer:
    """Crops and resizes the frames of one clip so that all of them have one shape.

    The first frame decides the shape. A later frame of other proportions keeps them, with black
    bars beside it.
    """

    def __init__(self, short_side_px: int, crop: Crop | None) -> None:
        self.short_side_px = short_side_px
        self.crop = crop
        self.shape: tuple[int, int] | None = None  # height, width
        self.barred = False  # a frame got bars

    def __call__(self, picture: np.ndarray, pixel_aspect: float) -> np.ndarray:
        """(H, W, 3) uint8 → (h, w, 3) uint8 with the short side short_side_px."""
        picture = half(picture, self.crop)
        high, wide = shown_size(picture, pixel_aspect, self.short_side_px)
        if self.shape is None:
            self.shape = (high, wide)
        if (high, wide) == self.shape:
            return resize(picture, high, wide)
        full_high, full_wide = self.shape
        if max(abs(high - full_high), abs(wide - full_wide)) <= 2:
            return resize(picture, full_high, full_wide)

        self.barred = True
        scale = min(full_high / high, full_wide / wide)
        high = max(1, round(high * scale))
        wide = max(1, round(wide * scale))
        canvas = np.zeros((full_high, full_wide, 3), np.uint8)
        top, left = (full_high - high) // 2, (full_wide - wide) // 2
        canvas[top : top + high, left : left + wide] = resize(picture, high, wide)
        return canvas


def half(picture: np.ndarray, crop: Crop | None) -> np.ndarray:
    """(H, W, 3) → the (H, ⌈W/2⌉, 3) on one side, or all of it.

    Before the resize, so that the half gets all pixels.
    """
    width = picture.shape[1]
    if crop is None:
        return picture
    if crop == "left":
        return picture[:, : (width + 1) // 2]
    return picture[:, width // 2 :]


def shown_size(picture: np.ndarray, pixel_aspect: float, short_side_px: int) -> tuple[int, int]:
    """Height and width with the short side short_side_px, as the frame is meant to be shown."""
    height, width = picture.shape[:2]
    aspect = width * pixel_aspect / height
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise DecodeError(
            f"the picture is {width} × {height} px: "
            f"longer than {MAX_ASPECT:.0f} times its short side"
        )
    return round(max(1 / aspect, 1.0) * short_side_px), round(max(aspect, 1.0) * short_side_px)


def resize(picture: np.ndarray, high: int, wide: int) -> np.ndarray:
    """(H, W, 3) uint8 → (high, wide, 3) uint8, antialiased bicubic."""
    image = Image.fromarray(picture).resize((wide, high), Image.Resampling.BICUBIC)
    return np.asarray(image)


def turns_by_quarters(matrix: Sequence[int]) -> bool:
    """Whether a display matrix turns by 0, 90, 180 or 270 degrees, mirrored or not."""
    a, b, _, c, d, *_ = map(abs, matrix)
    straight, crossed = (a, d), (b, c)
    if sum(crossed) > sum(straight):
        straight, crossed = crossed, straight
    return min(straight) > 0 and max(crossed) <= MAX_SKEW * min(straight)


def upright(picture: np.ndarray, matrix: Iterable[int]) -> np.ndarray:
    """(H, W, 3) → the same turned by quarters and mirrored as a display matrix says.

    matrix: the 9 numbers of FFmpeg's display matrix, [x y 1] · matrix = [x′ y′ 1].
    """
    a, b, _, c, d, *_ = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        picture = picture.swapaxes(0, 1)
        flip_rows, flip_columns = b < 0, c < 0
    else:
        flip_rows, flip_columns = d < 0, a < 0
    if flip_rows:
        picture = picture[::-1]
    if flip_columns:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def tone_map(picture: np.ndarray, transfer: Literal["pq", "hlg"]) -> np.ndarray:
    """(H, W, 3) uint16 RGB of HDR BT.2020 → (H, W, 3) uint8 RGB of SDR BT.709.

    HDR reference white (203 nits, ITU-R BT.2408) becomes SDR white. What is brighter keeps its hue
    and is clipped by its brightest channel. ST 2084 (PQ) and BT.2100 (HLG, peak 1000 nits) decode
    to light; the SDR curve is the inverse of the BT.1886 display (power 1/2.4).
    """
    result = np.empty(picture.shape, np.uint8)
    for top in range(0, len(picture), ROWS_AT_ONCE):
        rows = slice(top, top + ROWS_AT_ONCE)
        signal = picture[rows].astype(np.float32) / 65535
        nits = _pq_nits(signal) if transfer == "pq" else _hlg_nits(signal)
        light = np.maximum(nits / REFERENCE_WHITE_NITS @ BT2020_TO_BT709.T, 0)
        light /= np.maximum(light.max(axis=-1, keepdims=True), 1)
        result[rows] = np.rint(255 * light ** (1 / 2.4)).astype(np.uint8)
    return result


def _pq_nits(signal: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, equation 4.1."""
    root = signal ** (32 / 2523)
    ratio = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    return 10_000 * ratio ** (16384 / 2610)


def _hlg_nits(signal: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, table 5: inverse OETF, then the OOTF of a display of 1000 nits (gamma 1.2).

    The gamma is applied to each channel, as zimg does, not to the luma. That keeps the saturation
    that the colours have in SDR.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return HLG_PEAK_NITS * scene**1.2
