"""Encoders as the command line names them, and opening several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from semanticmac.core import FRAME_MODALITIES, FrameModality
from semanticmac.preprocess.encoders.imagebind.download import DownloadProgressFn
from semanticmac.preprocess.encoders.imagebind.names import ENCODERS, SUFFIXES, weight_file
from semanticmac.preprocess.encoders.protocol import BF16, Encoder
from semanticmac.preprocess.encoders.spec import EncoderNotFound, FacesSpec, parse_faces

if TYPE_CHECKING:
    from semanticmac.preprocess.faces.finder import FaceFinder, FinderSpec


@dataclass(frozen=True)
class EncoderRequest:
    """One encoder to open."""

    modality: FrameModality
    spec: str  # "imagebind-huge", "clip:FOLDER-OR-HUB-NAME", "wavlm:NAME@layer12", "logmel-stats"


def requests(
    encoder: str | None, vision: Sequence[str] = (), audio: Sequence[str] = ()
) -> tuple[EncoderRequest, ...]:
    """The encoders of --encoder (both modalities), --vision and --audio."""
    named: dict[FrameModality, list[str]] = {"vision": [*vision], "audio": [*audio]}
    asked = []
    for modality in FRAME_MODALITIES:
        if encoder is not None:
            asked.append(EncoderRequest(modality, _absolute(encoder)))
        for spec in named[modality]:
            asked.append(EncoderRequest(modality, _absolute(spec)))
    return tuple(dict.fromkeys(asked))


def _absolute(spec: str) -> str:
    """The same encoder by the absolute path of its file or folder, for any working directory."""
    faces = parse_faces(spec)
    if faces is not None:
        detector = Path(faces.detector).expanduser()
        name = str(detector.absolute()) if detector.exists() else faces.detector
        pixels = f"@{faces.face_px}" if faces.face_px else ""
        return f"faces:{name}{pixels}:{_absolute(faces.encoder)}"
    plain, at, ending = spec.rpartition("@")
    if not at:
        plain, ending = spec, ""
    kind, colon, source = plain.partition(":")
    path = Path(source if colon else plain).expanduser()
    if not path.exists() or (not colon and path.suffix not in SUFFIXES):
        return spec
    prefix = f"{kind}:" if colon else ""
    return f"{prefix}{path.absolute()}{at}{ending}"


def require_encoders(asked: Sequence[EncoderRequest]) -> None:
    """Raises EncoderNotFound or CheckpointError for a name that no encoder has. Loads no torch."""
    from semanticmac.preprocess.encoders.registry import require_kind

    for request in asked:
        faces = parse_faces(request.spec)
        if faces is not None:
            _require_finder(request, faces)
            request = replace(request, spec=faces.encoder)
        name = request.spec.removesuffix(BF16)
        if not _is_imagebind(request.spec):
            require_kind(request.spec, request.modality)
        elif name not in ENCODERS:
            weight_file(name)


def open_encoders(
    asked: Sequence[EncoderRequest],
    device: str = "auto",
    progress: DownloadProgressFn | None = None,
    notice: Callable[[str], None] | None = None,
) -> tuple[Encoder, ...]:
    """Opens encoders in their order. Both modalities of ImageBind share one network.

    progress: receives the bytes of a download; notice: receives the licence of such weights. Raises
    EncoderNotFound, CheckpointError and DownloadError.
    """
    opened: dict[EncoderRequest, Encoder] = {}
    plain = [_without_faces(request) for request in asked]
    for request in plain:
        if request in opened:
            continue
        if _is_imagebind(request.spec):
            for encoder in _open_imagebind(request.spec, plain, device, progress, notice):
                opened[EncoderRequest(encoder.modality, request.spec)] = encoder
        else:
            opened[request] = _open_other(request, device, notice)
    encoders = []
    for request, inside in zip(asked, plain, strict=True):
        encoders.append(_with_faces(request, opened[inside], notice))
    return tuple(encoders)


def needs_huge_weights(asked: Sequence[EncoderRequest]) -> bool:
    """Whether the weights of imagebind-huge are read, which may have to be downloaded."""
    names = {_without_faces(request).spec.removesuffix(BF16) for request in asked}
    return "imagebind-huge" in names


def _without_faces(request: EncoderRequest) -> EncoderRequest:
    """The encoder that reads the crops of a face stream; any other encoder as it is."""
    faces = parse_faces(request.spec)
    return request if faces is None else replace(request, spec=faces.encoder)


def _with_faces(
    request: EncoderRequest, encoder: Encoder, notice: Callable[[str], None] | None
) -> Encoder:
    """The encoder with the finder of faces that its request names, if it names one."""
    faces = parse_faces(request.spec)
    if faces is None:
        return encoder
    # Imported here because they load torch and onnxruntime.
    from semanticmac.preprocess.encoders.faces import FaceEncoder
    from semanticmac.preprocess.encoders.registry import print_notice

    finder = _require_finder(request, faces)
    opened = FaceEncoder(encoder, finder, faces)
    kind = finder.detector.kind
    (notice or print_notice)(f"{opened.name}: {faces.detector} is a detector of the kind {kind}")
    return opened


def _require_finder(request: EncoderRequest, faces: FacesSpec) -> FaceFinder:
    """Raises EncoderNotFound for faces of audio, DetectorError for a file that is no detector."""
    from semanticmac.preprocess.faces.finder import finder_spec, open_finder

    if request.modality != "vision":
        raise EncoderNotFound(f"{request.spec!r} reads faces: give it as --vision")
    return open_finder(finder_spec(faces))


def finder_specs(asked: Sequence[EncoderRequest]) -> tuple[FinderSpec | None, ...]:
    """The finder of each request for faces; None for whole frames and audio."""
    from semanticmac.preprocess.faces.finder import finder_spec

    specs: list[FinderSpec | None] = []
    for request in asked:
        faces = parse_faces(request.spec)
        specs.append(None if faces is None else finder_spec(faces))
    return tuple(specs)


def with_face_px(
    asked: Sequence[EncoderRequest], face_px: int | None
) -> tuple[EncoderRequest, ...]:
    """The requests for faces with the short side of --face-px, unless they name one themselves."""
    if face_px is None:
        return tuple(asked)
    sized = []
    for request in asked:
        faces = parse_faces(request.spec)
        if faces is not None and faces.face_px is None:
            spec = f"faces:{faces.detector}@{face_px}:{faces.encoder}"
            request = replace(request, spec=spec)
        sized.append(request)
    return tuple(sized)


def _is_imagebind(spec: str) -> bool:
    name = spec.removesuffix(BF16)
    return name in ENCODERS or (":" not in name and name.endswith(SUFFIXES))


def _open_imagebind(
    spec: str,
    asked: Sequence[EncoderRequest],
    device: str,
    progress: DownloadProgressFn | None,
    notice: Callable[[str], None] | None,
) -> Sequence[Encoder]:
    # Imported here because it loads torch.
    from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders, print_notice

    modalities = [request.modality for request in asked if request.spec == spec]
    return load_encoders(spec, device, progress, notice or print_notice, modalities)


def _open_other(
    request: EncoderRequest, device: str, notice: Callable[[str], None] | None
) -> Encoder:
    # Imported here because some encoders load torch.
    from semanticmac.preprocess.encoders.registry import open_encoder, print_notice

    return open_encoder(request.spec, request.modality, device, notice or print_notice)
