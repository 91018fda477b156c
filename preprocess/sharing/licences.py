"""Which licence binds the features of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semanticmac.cache.keys import Fingerprint
from semanticmac.preprocess.encoders.protocol import BF16
from semanticmac.preprocess.encoders.spec import parse_faces


@dataclass(frozen=True)
class Licence:
    """A licence as a card states it."""

    tag: str  # the hub's name of it; "other" where it has none
    text: str
    strictness: int  # of several, the strictest binds all together


MIT = Licence("mit", "that of SemanticMAC (MIT)", 0)
CHECKPOINT = Licence("other", "that of its checkpoint: read the page it was published on", 1)
IMPORTED = Licence("other", "that of the file that the features were imported from", 1)
IMAGEBIND = Licence(
    "cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0 (Meta, ImageBind): no commercial use, share alike", 2
)
OPENSMILE = Licence("other", "openSMILE (audEERING): private, research and educational use only", 3)
_BY_NAME = {
    "imagebind-huge": IMAGEBIND,
    "imagebind-tiny": MIT,
    "logmel-stats": MIT,
    "egemaps": OPENSMILE,
}


def licence_of(stream: Fingerprint) -> Licence:
    """The licence of one stream. For crops of faces it is that of the encoder of the crops."""
    if stream.imported:
        return IMPORTED
    faces = parse_faces(stream.spec)
    name = stream.spec or stream.encoder
    if faces is not None:
        name = faces.encoder
    return _BY_NAME.get(name.removesuffix(BF16), CHECKPOINT)


def binding_licence(streams: Sequence[Fingerprint]) -> Licence:
    """The strictest of several streams, which binds a file that holds all of them."""
    strictest = MIT
    for stream in streams:
        licence = licence_of(stream)
        if licence.strictness > strictest.strictness:
            strictest = licence
    return strictest
