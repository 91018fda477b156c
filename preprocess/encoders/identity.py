"""What identifies an encoder: the fields of its fingerprint that do not depend on the sampling."""

from __future__ import annotations

from dataclasses import dataclass

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.core import FrameModality


@dataclass(frozen=True)
class Identity:
    """Names one encoder. Other bits in its embeddings need another architecture or weights."""

    modality: FrameModality
    name: str  # "clip-large", "wavlm-large@layer12"
    architecture: str  # digest of configuration, preparation, layer and precision
    weights: str  # SHA-256
    width: int  # numbers in one embedding
    spec: str = ""  # how it was opened, such as "clip:FOLDER"

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        return Fingerprint(
            self.modality,
            self.name,
            self.architecture,
            self.weights,
            trained=True,
            width=self.width,
            sampling=sampling,
            spec=self.spec,
        )
