"""Names of encoders: `KIND:SOURCE@layerN`, one word, or `faces:DETECTOR:` before one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FACES = "faces"
_FACES_SPEC = re.compile(rf"{FACES}:(.+?\.onnx|drawn)(?:@(\d+))?:(.+)", re.DOTALL)


class EncoderNotFound(Exception):
    """No encoder has this name; the message lists those that exist."""


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder as the user names it."""

    text: str  # the whole of it
    kind: str  # "clip", "wavlm", "logmel-stats", "imagebind-huge"
    source: str = ""  # folder, or name on the hub; empty for one word
    layer: int | None = None  # from 1; None: the output of the model

    @property
    def name(self) -> str:
        """The short name of the encoder: the last part of its source, and its layer."""
        name = self.kind
        if self.source:
            is_folder = Path(self.source).expanduser().is_dir()
            path = Path(self.source).expanduser().resolve() if is_folder else Path(self.source)
            name = re.sub(r"[^\w.-]", "-", path.name)
        return name if self.layer is None else f"{name}@layer{self.layer}"


def parse_spec(text: str) -> EncoderSpec:
    """Raises EncoderNotFound for an empty kind or source, and for a layer that is no number."""
    plain, at, ending = text.rpartition("@layer")
    layer = None
    if at:
        if not ending.isascii() or not ending.isdigit() or int(ending) < 1:
            raise EncoderNotFound(f"{text!r} ends in @layer{ending}: expected @layer1, @layer2 …")
        layer = int(ending)
    else:
        plain = text
    kind, colon, source = plain.partition(":")
    if not kind or (colon and not source):
        raise EncoderNotFound(
            f"the encoder {text!r} is incomplete: expected KIND:FOLDER, KIND:HUB-NAME, or one word"
        )
    return EncoderSpec(text, kind, source, layer)


@dataclass(frozen=True)
class FacesSpec:
    """An encoder over the speaker's face: `faces:DETECTOR[@PX]:ENCODER`."""

    text: str  # the whole of it
    detector: str  # path of an ONNX file, or "drawn"
    face_px: int | None  # short side of the frames that faces are cut from; None = the usual one
    encoder: str  # the encoder of the crops


def parse_faces(text: str) -> FacesSpec | None:
    """None for an encoder of another kind. Raises EncoderNotFound where a part is missing."""
    if text != FACES and not text.startswith(f"{FACES}:"):
        return None
    match = _FACES_SPEC.fullmatch(text)
    if match is None:
        raise EncoderNotFound(
            f"{text!r}: expected faces:DETECTOR.onnx:ENCODER, such as "
            "faces:yunet.onnx:clip:FOLDER or faces:drawn:imagebind-tiny"
        )
    detector, pixels, encoder = match.groups()
    if encoder.startswith(f"{FACES}:"):
        raise EncoderNotFound(f"{text!r}: the encoder of the faces is another faces:")
    return FacesSpec(text, detector, int(pixels) if pixels else None, encoder)
