"""Encoders as the command line names them, and opening several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.core import FRAME_MODALITIES, FrameModality
from semanticmac.preprocess.encoders.imagebind.download import DownloadProgressFn
from semanticmac.preprocess.encoders.imagebind.names import ENCODERS, SUFFIXES, weight_file
from semanticmac.preprocess.encoders.protocol import BF16, Encoder


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
    for request in asked:
        if request in opened:
            continue
        if _is_imagebind(request.spec):
            for encoder in _open_imagebind(request.spec, asked, device, progress, notice):
                opened[EncoderRequest(encoder.modality, request.spec)] = encoder
        else:
            opened[request] = _open_other(request, device, notice)
    return tuple(opened[request] for request in asked)


def needs_huge_weights(asked: Sequence[EncoderRequest]) -> bool:
    """Whether the weights of imagebind-huge are read, which may have to be downloaded."""
    return any(request.spec.removesuffix(BF16) == "imagebind-huge" for request in asked)


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
