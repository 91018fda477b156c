"""Content keys and fingerprints: from which file, segment, sampling and encoder data was made."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from semanticmac.core import FrameModality

# Prefix of `Fingerprint.architecture` for features that another program extracted.
IMPORTED = "imported:"
# Begins the name of an encoder that reads crops of the speaker's face.
FACES_PREFIX = "faces-"
# The name of the stream that was cached last, of each modality.
LAST = "last"
# Raise it when decoding or the filter bank changes its numbers: every cache is then rebuilt.
PREPROCESS_VERSION = 3
FIRST_WITH_LENGTH = 3


@dataclass(frozen=True)
class Sampling:
    """How a clip is sampled. It is part of every content key, so samplings are never mixed."""

    frames_per_s: int = 2
    short_side_px: int = 224
    sample_rate_hz: int = 16_000
    picture: str = "jpeg-95"  # how frames are stored: "jpeg-<quality>" or "png" (lossless)
    version: int = PREPROCESS_VERSION
    # a file without end time lasts as long as the longer of frames and audio, or as its frames
    length: Literal["longest", "pictures"] = "longest"

    def __post_init__(self) -> None:
        if self.length not in ("longest", "pictures"):
            raise ValueError(f"length={self.length!r}: expected `longest` or `pictures`")
        kind, _, quality = self.picture.partition("-")
        if self.picture != "png" and not (
            kind == "jpeg" and quality.isdigit() and 1 <= int(quality) <= 100
        ):
            raise ValueError(
                f"picture={self.picture!r}: expected `png` or `jpeg-<quality 1 to 100>`"
            )

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values. The default `length` is left out, as in older caches."""
        fields = asdict(self)
        if self.length == "longest" or self.version < FIRST_WITH_LENGTH:
            del fields["length"]
        return fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Sampling:
        """The inverse of `to_dict`. Before version 3 every clip ended with its frames."""
        if fields["version"] < FIRST_WITH_LENGTH:
            fields = {**fields, "length": "pictures"}
        return cls(**fields)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_key(
    digest: str, start_s: float, end_s: float | None, sampling: Sampling, crop: str | None = None
) -> str:
    """The key of a clip's frames and embeddings, 32 hex digits of a hash of its content.

    digest: SHA-256 of the video file; start_s, end_s: the segment in seconds, to the microsecond;
    crop: the half of the frame that is kept, None = the whole frame.
    """
    content: dict[str, Any] = {
        "file": digest,
        "start_s": round(start_s, 6),
        "end_s": None if end_s is None else round(end_s, 6),
        "sampling": sampling.to_dict(),
    }
    if crop is not None:
        content["crop"] = crop
    return json_digest(content)[:32]


def imported_key(architecture: str, clip_id: str) -> str:
    """The key of imported embeddings: a hash of their source file and the clip in it."""
    return json_digest({"architecture": architecture, "clip_id": clip_id})[:32]


def text_key(text: str) -> str:
    """The key of a clip that is a text alone: a hash of the text."""
    return json_digest({"text": text})[:32]


def json_digest(content: object) -> str:
    """SHA-256 of a JSON value, as hex; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _shortened(value: object) -> object:
    """The first digits of a SHA-256, which are enough to tell two apart; others as they are."""
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        return f"{value[:12]}…"
    return value


@dataclass(frozen=True)
class Fingerprint:
    """One stream of embeddings: modality, encoder and sampling. Equal ones: equal embeddings."""

    modality: FrameModality | Literal["both"]  # "both": a folder of version 0.1 with two streams
    encoder: str  # "imagebind-huge", "clip-large", "wavlm-large@layer12"
    architecture: str  # digest of the encoder's configuration, its layer and its precision
    weights: str  # SHA-256 of the weights
    trained: bool  # False: the weights are random, and every output says so
    width: int  # E, numbers in one embedding
    sampling: Sampling
    dtype: str = "float16"
    # True: a GPU encoded several clips together, so that the last bit of an embedding may depend on
    # the clips beside it. Equal to single clips up to the rounding of float16.
    batched: bool = False
    # How the encoder was opened, such as "clip:FOLDER". It identifies nothing: equal streams may
    # come from different folders.
    spec: str = field(default="", compare=False)

    @property
    def imported(self) -> bool:
        """True for features that another program extracted; `sampling` does not apply to them."""
        return self.architecture.startswith(IMPORTED)

    @property
    def demo_only(self) -> bool:
        """True if the encoder was trained on the drawn faces of the demo alone, never on people."""
        return self.trained and self.encoder.removeprefix(FACES_PREFIX) == "imagebind-tiny"

    @property
    def name(self) -> str:
        """Name of the folder: modality, encoder and twelve digits of a hash of all fields."""
        digest = json_digest(self.to_dict())[:12]
        if self.modality == "both":
            return f"{self.encoder}-{digest}"
        encoder = re.sub(r"[^-\w.@+]", "-", self.encoder)
        return f"{self.modality}-{encoder}-{digest}"

    def differences(self, other: Fingerprint) -> list[str]:
        """The fields in which two fingerprints differ, as `field: mine, not theirs`."""
        mine = {**self.to_dict(), "batched": self.batched}
        theirs = {**other.to_dict(), "batched": other.batched}
        differences = []
        for name, value in mine.items():
            if value != theirs.get(name):
                expected = theirs.get(name, "both")
                differences.append(f"{name}: {_shortened(value)}, not {_shortened(expected)}")
        return differences

    def to_dict(self) -> dict[str, Any]:
        """All fields that identify the embeddings, as JSON values; `batched` only if it is True."""
        fields = {**asdict(self), "sampling": self.sampling.to_dict()}
        del fields["spec"]
        if not self.batched:
            del fields["batched"]
        if self.modality == "both":
            del fields["modality"]
        return fields

    def to_stored_dict(self) -> dict[str, Any]:
        """`to_dict` with `spec`, for files."""
        fields = self.to_dict()
        if self.spec:
            fields["spec"] = self.spec
        return fields

    def to_json(self) -> str:
        return json.dumps(self.to_stored_dict(), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Fingerprint:
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Fingerprint:
        """The inverse of `to_dict`, with or without `spec`."""
        sampling = Sampling.from_dict(fields["sampling"])
        return cls(**{"modality": "both", **fields, "sampling": sampling})

    @classmethod
    def read(cls, folder: Path) -> Fingerprint:
        return cls.from_json((folder / "fingerprint.json").read_text(encoding="utf-8"))
