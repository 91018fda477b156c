"""FaceEncoder: any vision encoder, over the crops of the speaker's face instead of whole frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semanticmac.cache.face_records import FaceClip
from semanticmac.cache.keys import FACES_PREFIX, Fingerprint, Sampling, json_digest
from semanticmac.cache.records import RawClip
from semanticmac.core import FrameModality
from semanticmac.preprocess.encoders.protocol import EncodeError, Encoder
from semanticmac.preprocess.encoders.spec import FacesSpec
from semanticmac.preprocess.faces.finder import FaceFinder, finder_spec


class FaceEncoder:
    """A vision encoder with a finder of faces."""

    modality: FrameModality = "vision"

    def __init__(self, inner: Encoder, finder: FaceFinder, spec: FacesSpec) -> None:
        """inner: reads the crops as if they were frames."""
        self.inner = inner
        self.finder = finder
        self.finder_spec = finder_spec(spec)
        self.name = FACES_PREFIX + inner.name
        self.device = inner.device
        self._spec = spec

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.inner.width

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """That of the encoder inside, with the detector and the rule of the crops."""
        inside = self.inner.fingerprint(sampling)
        return replace(
            inside,
            encoder=self.name,
            architecture=json_digest([inside.architecture, self.finder.digest]),
            spec=self._spec.text,
        )

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """Finds the faces in the frames of the clip itself and encodes the crops.

        The pipeline calls `encode_faces` instead: there the speaker was chosen by more frames.
        """
        return self.encode_faces(self.finder.find(raw), raw)

    def encode_faces(self, faces: FaceClip, raw: RawClip) -> np.ndarray | None:
        """(F, E) float16, row k of the crop at k/2 s; None for a clip without a face.

        Raises EncodeError where the faces have other rows than the clip.
        """
        if faces.crops is None or raw.frames is None:
            return None
        if len(faces.crops) != len(raw.frames):
            raise EncodeError(
                f"its faces have {len(faces.crops)} rows and its frames {len(raw.frames)}: delete "
                "the folder faces/ of the cache, and they are found again"
            )
        return self.inner.encode(RawClip(faces.crops, None, raw.duration_s))
