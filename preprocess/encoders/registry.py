"""open_encoder: encoders by name, such as `clip:FOLDER`, `logmel-stats` or one of the user's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import get_args

from semanticmac.core import FrameModality
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.preprocess.encoders.spec import EncoderNotFound, EncoderSpec, parse_spec

ENTRY_POINTS = "semanticmac.encoders"

NoticeFn = Callable[[str], None]
# The value of an entry point: what follows the colon (empty for one word), device → the encoder.
OpenFn = Callable[[str, str], Encoder]

# Kind → its modality, the module that loads it and the function in it. Kinds with a source are
# loaded from a folder or the hub.
_VISION_MODULE = "transformers_vision"
_AUDIO_MODULE = "transformers_audio"
PRETRAINED: dict[str, tuple[FrameModality, str, str]] = {
    "clip": ("vision", _VISION_MODULE, "load_vision"),
    "siglip": ("vision", _VISION_MODULE, "load_vision"),
    "dino": ("vision", _VISION_MODULE, "load_vision"),
    "hubert": ("audio", _AUDIO_MODULE, "load_audio"),
    "wavlm": ("audio", _AUDIO_MODULE, "load_audio"),
    "wav2vec2": ("audio", _AUDIO_MODULE, "load_audio"),
    "whisper": ("audio", "whisper_encoder", "load_whisper"),
}
# Encoders of one word, without weights.
BY_HAND: dict[str, tuple[FrameModality, str]] = {
    "logmel-stats": ("audio", "logmel_stats"),
    "egemaps": ("audio", "egemaps"),
}


def print_notice(text: str) -> None:
    print(text, file=sys.stderr)


def open_encoder(
    text: str, modality: FrameModality, device: str = "auto", notice: NoticeFn = print_notice
) -> Encoder:
    """The frozen encoder of a name; ImageBind's names are opened by `imagebind`, not here.

    text: KIND:FOLDER, KIND:HUB-NAME, both with @layerN behind, or one word. notice receives what
    the user must read: a licence, frames that are enlarged. Raises EncoderNotFound for a name that
    does not exist or is of the other modality, and CheckpointError for weights that cannot be used.
    """
    spec = parse_spec(text)
    if spec.kind in PRETRAINED:
        return _open_pretrained(spec, modality, device, notice)
    if spec.kind in BY_HAND:
        return _open_by_hand(spec, modality, notice)
    return _open_installed(spec, modality, device)


def require_kind(text: str, modality: FrameModality) -> None:
    """Raises EncoderNotFound if no encoder, of ours or installed, has this name or folder."""
    spec = parse_spec(text)
    kind = spec.kind
    looks_like_path = spec.source.startswith(("~", ".", "/")) or spec.source.count("/") > 1
    if kind in PRETRAINED and looks_like_path and not Path(spec.source).expanduser().is_dir():
        raise EncoderNotFound(f"{text}: there is no folder {spec.source}")
    if kind in PRETRAINED or kind in BY_HAND or entry_points(group=ENTRY_POINTS, name=kind):
        return
    raise EncoderNotFound(
        f"there is no encoder {text!r} for {modality}: expected {', '.join(known_names(modality))}"
    )


def known_names(modality: FrameModality) -> list[str]:
    """The names that `open_encoder` understands for a modality."""
    names = ["imagebind-huge", "imagebind-tiny"]
    for kind, (of, _, _) in PRETRAINED.items():
        if of == modality:
            names.append(f"{kind}:FOLDER")
    for kind, (of, _) in BY_HAND.items():
        if of == modality:
            names.append(kind)
    return [*names, *sorted(entry_points(group=ENTRY_POINTS).names)]


def _open_pretrained(
    spec: EncoderSpec, modality: FrameModality, device: str, notice: NoticeFn
) -> Encoder:
    of, module_name, function = PRETRAINED[spec.kind]
    _require_modality(spec, of, modality)
    if not spec.source:
        raise EncoderNotFound(
            f"{spec.text!r} names no model: write {spec.kind}:FOLDER or {spec.kind}:HUB-NAME"
        )
    module = import_module(f"semanticmac.preprocess.encoders.{module_name}")
    encoder: Encoder = getattr(module, function)(spec, device)
    remark = getattr(encoder, "remark", "")
    if remark:
        notice(remark)
    return encoder


def _open_by_hand(spec: EncoderSpec, modality: FrameModality, notice: NoticeFn) -> Encoder:
    of, module_name = BY_HAND[spec.kind]
    _require_modality(spec, of, modality)
    if spec.source or spec.layer is not None:
        raise EncoderNotFound(
            f"{spec.text!r}: {spec.kind} has no weights and no layers: write {spec.kind}"
        )
    module = import_module(f"semanticmac.preprocess.encoders.{module_name}")
    encoder: Encoder = module.open_by_hand(notice)
    return encoder


def _open_installed(spec: EncoderSpec, modality: FrameModality, device: str) -> Encoder:
    """An encoder of another package, by its entry point."""
    require_kind(spec.text, modality)
    point = next(iter(entry_points(group=ENTRY_POINTS, name=spec.kind)))
    open_own = _loaded(point)
    _, _, source = spec.text.partition(":")
    encoder = open_own(source, device)
    for member in ("modality", "name", "device", "width", "fingerprint", "encode"):
        if not hasattr(encoder, member):
            raise EncoderNotFound(
                f"the encoder {point.name!r} of {point.value} has no `{member}`: it needs the "
                "members of preprocess/encoders/protocol.py"
            )
    if encoder.modality not in get_args(FrameModality):
        raise EncoderNotFound(
            f"the encoder {point.name!r} of {point.value} has modality {encoder.modality!r}: "
            "expected `vision` or `audio`"
        )
    _require_modality(spec, encoder.modality, modality)
    return encoder


def _loaded(point: EntryPoint) -> OpenFn:
    try:
        function: OpenFn = point.load()
    except (ImportError, AttributeError) as error:
        raise EncoderNotFound(
            f"the encoder {point.name!r} is installed as {point.value}, which cannot be imported: "
            f"{error}"
        ) from None
    return function


def _require_modality(spec: EncoderSpec, of: FrameModality, asked: FrameModality) -> None:
    if of != asked:
        raise EncoderNotFound(
            f"{spec.text!r} is an encoder of {of}, asked for as --{asked}: give it as --{of}"
        )
