"""Streams: which embeddings a model reads, of each modality one stream or several together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.previous_format import pair_of, split_pair
from semanticmac.cache.records import FrameWidths
from semanticmac.core import FRAME_MODALITIES, FrameModality


@dataclass(frozen=True)
class Streams:
    """The streams of each modality. Several of one modality are concatenated in their order."""

    vision: tuple[Fingerprint, ...] = ()
    audio: tuple[Fingerprint, ...] = ()

    def __post_init__(self) -> None:
        for modality in FRAME_MODALITIES:
            for stream in self.of(modality):
                if stream.modality != modality:
                    raise ValueError(f"{stream.name} is no {modality} stream")

    @classmethod
    def group(cls, fingerprints: Iterable[Fingerprint]) -> Streams:
        """Fingerprints of any modality, in their order."""
        by_modality: dict[str, list[Fingerprint]] = {name: [] for name in FRAME_MODALITIES}
        for fingerprint in fingerprints:
            by_modality[fingerprint.modality].append(fingerprint)
        return cls(tuple(by_modality["vision"]), tuple(by_modality["audio"]))

    @classmethod
    def of_pair(cls, pair: Fingerprint) -> Streams:
        """Both streams in a folder of version 0.1."""
        return cls.group(split_pair(pair))

    def of(self, modality: FrameModality) -> tuple[Fingerprint, ...]:
        return self.vision if modality == "vision" else self.audio

    @property
    def all(self) -> tuple[Fingerprint, ...]:
        return self.vision + self.audio

    @property
    def widths(self) -> FrameWidths:
        """Numbers in one embedding of each modality; 1 for a modality without a stream."""
        return FrameWidths(_width(self.vision), _width(self.audio))

    @property
    def imported(self) -> bool:
        """True if another program extracted one of them, so that no video can be encoded."""
        return any(stream.imported for stream in self.all)

    @property
    def sampling(self) -> Sampling:
        """The sampling of the clips. It has no meaning where all streams are imported."""
        for stream in self.all:
            if not stream.imported:
                return stream.sampling
        return Sampling()

    def encoder(self, modality: FrameModality) -> str:
        """The encoders of one modality, as `--set` takes them: "imagebind-huge+clip-large"."""
        return "+".join(stream.encoder for stream in self.of(modality))

    def describe(self) -> str:
        """The encoders for a person: "vision clip-large, audio wavlm-large@layer12"."""
        parts = []
        for modality in FRAME_MODALITIES:
            if self.of(modality):
                parts.append(f"{modality} {self.encoder(modality)}")
        return ", ".join(parts) or "no stream"

    def differences(self, other: Streams) -> list[str]:
        """The fields in which two choices differ, as `vision weights: mine, not theirs`."""
        differences = []
        for modality in FRAME_MODALITIES:
            mine, theirs = self.of(modality), other.of(modality)
            if len(mine) != len(theirs):
                names = [streams.encoder(modality) or "no stream" for streams in (self, other)]
                differences.append(f"{modality}: {names[0]}, not {names[1]}")
                continue
            for stream, expected in zip(mine, theirs, strict=True):
                for field in stream.differences(expected):
                    differences.append(f"{modality} {field}")
        return differences

    def unbatched(self) -> Streams:
        """The same streams as if each clip had been encoded alone: what a model can tell apart."""
        return Streams.group(replace(stream, batched=False) for stream in self.all)

    def identity(self) -> str:
        """A text that is equal for equal streams. For a pair it is that of version 0.1."""
        pairs = {pair_of(stream) for stream in self.all}
        if len(pairs) == 1 and len(self.vision) == len(self.audio) == 1:
            return pairs.pop().to_json()
        return "\n".join(_without_spec(stream) for stream in self.all)

    def to_dict(self) -> dict[str, Any]:
        """All fields of all streams as JSON values."""
        streams: dict[str, Any] = {}
        for modality in FRAME_MODALITIES:
            streams[modality] = [stream.to_stored_dict() for stream in self.of(modality)]
        return streams

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Streams:
        """The inverse of `to_dict`."""
        stored = [*fields["vision"], *fields["audio"]]
        return cls.group(Fingerprint.from_dict(stream) for stream in stored)


def _width(streams: Iterable[Fingerprint]) -> int:
    return sum(stream.width for stream in streams) or 1


def _without_spec(stream: Fingerprint) -> str:
    return repr(sorted(stream.to_dict().items()))
