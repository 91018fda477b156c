"""The command that caches a dataset again, for error messages."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.streams import Streams
from semanticmac.core import FRAME_MODALITIES

# Encoders that are opened by their name alone.
_BY_NAME = ("imagebind-tiny", "imagebind-huge", "logmel-stats", "egemaps")


def cache_command(dataset: str, corpus: str, streams: Streams, *more: str) -> str:
    """The command that caches a dataset with these streams.

    DIR and FILE stand for paths that the cache does not know. Names and encoders are quoted for a
    shell: they may come from a folder that somebody else made.
    """
    name = [] if dataset == corpus else ["--name", quote(dataset)]
    if streams.all and all(stream.imported for stream in streams.all):
        return " ".join(["semanticmac import-features FILE --dataset", quote(corpus), *name])
    words = ["semanticmac cache", quote(corpus), "--root DIR", *name, *_encoder_options(streams)]
    if streams.sampling.picture != Sampling().picture:
        words += ["--picture", quote(streams.sampling.picture)]
    return " ".join([*words, *more])


def _encoder_options(streams: Streams) -> Sequence[str]:
    specs: dict[str, list[str]] = {}
    for modality in FRAME_MODALITIES:
        specs[modality] = []
        for stream in streams.of(modality):
            if not stream.imported:
                specs[modality].append(_spec(stream))
    words = []
    if specs["vision"] == specs["audio"]:
        for spec in specs["vision"]:
            words += ["--encoder", spec]
        return words
    for modality in FRAME_MODALITIES:
        for spec in specs[modality]:
            words += [f"--{modality}", spec]
    return words


def _spec(stream: Fingerprint) -> str:
    """How the encoder is named on the command line."""
    if stream.spec:
        return quote(stream.spec)
    name, _, _ = stream.encoder.partition("@")
    return quote(stream.encoder) if name in _BY_NAME else "FILE"
