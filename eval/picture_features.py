"""What one frame looks like, without an encoder: colours, contrast, edges and noise.

An encoder that was trained on drawn faces maps a camera's picture near to them. These figures tell
the two apart.
"""

from __future__ import annotations

import numpy as np

from semanticmac.eval.analysis.thumbnails import small
from semanticmac.eval.metrics.functions import Floats

FLOOR = 1e-3  # of a mean edge before its logarithm is taken, in units of full brightness
FLAT_STEP = 1.5 / 255  # neighbours of equal brightness, but for the rounding of JPEG


def picture_features(frame: np.ndarray) -> Floats:
    """frame (H, W, 3) uint8 → (15,) figures of the frame at the size of a thumbnail."""
    picture = small(frame).astype(np.float64) / 255
    grey = picture.mean(axis=2)
    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    middle = grey[1:-1, 1:-1]
    neighbours = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    noise = np.abs(4 * middle - neighbours)
    saturation = picture.max(axis=2) - picture.min(axis=2)
    edges = [
        across.mean(),
        down.mean(),
        np.median(across),
        np.median(noise),
        noise.mean(),
        np.quantile(noise, 0.9),
    ]
    figures: Floats = np.concatenate(
        [
            picture.mean(axis=(0, 1)),
            picture.std(axis=(0, 1)),
            [saturation.mean(), saturation.std()],
            np.log(np.array(edges) + FLOOR),
            [(across < FLAT_STEP).mean()],
        ]
    )
    return figures
