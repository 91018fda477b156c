"""egemaps: the 88 functionals of eGeMAPS v02 by openSMILE, over the 2 s around each time.

Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set", 2016. Functionals of a window do not
follow from those of its parts, so overlapping windows are computed four times: about 0.1 s for each
second of audio. The package opensmile is an optional extra, and its licence is shown at each start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from semanticmac.cache.keys import Fingerprint, Sampling, json_digest
from semanticmac.cache.records import RawClip
from semanticmac.core import FrameModality
from semanticmac.preprocess.encoders.identity import Identity
from semanticmac.preprocess.encoders.protocol import require_content, row_count
from semanticmac.preprocess.encoders.rows import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    to_float16,
)
from semanticmac.preprocess.encoders.spec import EncoderNotFound

LICENCE = (
    "openSMILE (audEERING GmbH) is free for private, research and educational use only; a product "
    "needs a licence from audEERING: https://github.com/audeering/opensmile/blob/master/LICENSE. "
    "It is no part of SemanticMAC and its licence."
)
WIDTH = 88
# A shorter window is filled with zeros: openSMILE needs 60 ms for one frame of pitch.
LEAST_SAMPLES = SAMPLE_RATE_HZ // 10


class Egemaps:
    """The functionals of one clip as an encoder of audio."""

    modality: FrameModality = "audio"
    name = "egemaps"
    device = torch.device("cpu")

    def __init__(self, smile: Any, version: str) -> None:
        """smile: an opensmile.Smile for the functionals of eGeMAPS v02."""
        self._smile = smile
        digest = json_digest(["opensmile", version])
        architecture = json_digest(["eGeMAPSv02", "functionals", WINDOW_SAMPLES, LEAST_SAMPLES])
        self.identity = Identity("audio", self.name, architecture, digest, WIDTH, self.name)

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.identity.width

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Identifies the embeddings that this encoder gives for clips with this sampling."""
        return self.identity.fingerprint(sampling)

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """(F, 88) float16, row k of the 2 s around k/2 s; None for a clip without audio.

        Only the part of a window inside the clip is read. Raises EncodeError for functionals that
        float16 cannot hold.
        """
        require_content(raw)
        if raw.waveform is None or not len(raw.waveform):
            return None
        rows = row_count(raw)
        samples = raw.waveform.astype(np.float32) / 32_768
        embeddings = np.empty((rows, WIDTH), np.float32)
        for row in range(rows):
            start = row * HOP_SAMPLES - WINDOW_SAMPLES // 2
            window = samples[max(0, start) : max(0, start + WINDOW_SAMPLES)]
            embeddings[row] = self._functionals(window)
        return to_float16(embeddings, "audio")

    def _functionals(self, window: np.ndarray) -> np.ndarray:
        if len(window) < LEAST_SAMPLES:
            window = np.pad(window, (0, LEAST_SAMPLES - len(window)))
        found = self._smile.process_signal(window, SAMPLE_RATE_HZ)
        values: np.ndarray = found.to_numpy()[0]
        return values


def open_by_hand(notice: Callable[[str], None]) -> Egemaps:
    """The encoder; shows the licence first. Raises EncoderNotFound where opensmile is missing."""
    try:
        import opensmile  # pyright: ignore[reportMissingImports]  an optional extra
    except ImportError:
        raise EncoderNotFound(
            "egemaps needs openSMILE, whose licence allows research only: "
            "pip install 'semanticmac[egemaps]'"
        ) from None
    notice(LICENCE)
    features, level = opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals
    return Egemaps(opensmile.Smile(features, level), opensmile.__version__)
