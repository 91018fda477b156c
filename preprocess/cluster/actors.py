"""The workers of a cluster: one kind decodes clips in a child process, the other kind encodes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import torch

from semanticmac import __version__
from semanticmac.cache.keys import PREPROCESS_VERSION, Fingerprint, Sampling
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.cluster.placement import ClusterError
from semanticmac.preprocess.decoding.ffmpeg_program import ProgramError, require_program
from semanticmac.preprocess.decoding.isolation import DecodedClip, decode_all
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encode_jobs import EncodeJob, Encoding, encode_jobs
from semanticmac.preprocess.encoders.imagebind.download import download_folder
from semanticmac.preprocess.encoders.requests import (
    EncoderRequest,
    needs_huge_weights,
    open_encoders,
)


@dataclass(frozen=True)
class SizedClip:
    """A clip and the size of its file on the machine of the program; None if there is no file."""

    clip: Clip
    size_bytes: int | None


class DecodeActor:
    """Decodes clip after clip, with the time limit and the memory limit of a local worker."""

    def __init__(self, folder: str, sampling: Sampling, decoder: Decoder = DEFAULT_DECODER) -> None:
        """folder: the program's working directory; relative paths of videos start there."""
        self._folder = folder
        self._sampling = sampling
        self._decoder = decoder
        self._clips: SimpleQueue[Clip] = SimpleQueue()

    def hostname(self) -> str:
        """The name of the machine on which this worker runs."""
        return socket.gethostname()

    def begin(self) -> str:
        """Starts decoding; returns the version, which must be the same on every machine.

        Raises ClusterError when ffmpeg does not run.
        """
        _enter(self._folder)
        try:
            require_program()
        except ProgramError as error:
            raise ClusterError(f"{socket.gethostname()}: {error}") from None

        clips = iter(self._clips.get, None)
        self._decoded = decode_all(clips, self._sampling, 1, ahead=1, decoder=self._decoder)
        return f"semanticmac {__version__} with preprocessing {PREPROCESS_VERSION}"

    def do(self, group: list[SizedClip]) -> list[DecodedClip]:
        """Decodes each clip. Raises ClusterError when a file differs from the program's file."""
        return [self._decode(sized) for sized in group]

    def _decode(self, sized: SizedClip) -> DecodedClip:
        if sized.size_bytes is not None:
            _require_same_file(sized.clip.video, sized.size_bytes)
        self._clips.put(sized.clip)
        return next(self._decoded)


class EncodeActor:
    """Holds the encoders, on one GPU or on the CPU of its machine."""

    def __init__(
        self,
        folder: str,
        sampling: Sampling,
        encoders: Sequence[EncoderRequest],
        device: str,
        weights: Path,
        threads: int,
    ) -> None:
        """weights: the folder of downloaded weights; threads: CPU threads of torch.

        The number of threads is fixed because the last bits of an embedding depend on it.
        """
        self._folder = folder
        self._sampling = sampling
        self._requests = encoders
        self._device = device
        self._weights = weights
        self._threads = threads

    def hostname(self) -> str:
        """The name of the machine on which this worker runs."""
        return socket.gethostname()

    def begin(self) -> tuple[Fingerprint, ...]:
        """Loads the encoders; their fingerprints must be the same on every machine.

        Raises what `open_encoders` raises, and ClusterError where it would have to download.
        """
        _enter(self._folder)
        os.environ["SEMANTICMAC_HOME"] = str(self._weights)
        torch.set_num_threads(self._threads)
        is_huge = needs_huge_weights(self._requests)
        # A cluster never downloads: every machine would do so, and nobody accepted the licence.
        if is_huge and not huge_weights().exists():
            raise ClusterError(
                f"{socket.gethostname()} has no {huge_weights()}: set SEMANTICMAC_HOME to a folder "
                "that all machines share, or copy the file there"
            )
        self._encoders = open_encoders(self._requests, self._device)
        return tuple(encoder.fingerprint(self._sampling) for encoder in self._encoders)

    def do(self, job: EncodeJob) -> tuple[Encoding, ...]:
        """The embeddings of a packed clip."""
        [encodings] = self.do_together([job])
        return encodings

    def do_together(self, jobs: list[EncodeJob]) -> list[tuple[Encoding, ...]]:
        """The embeddings of several packed clips, in their order."""
        return encode_jobs(self._encoders, jobs)


def huge_weights() -> Path:
    """The path of the downloaded weights of imagebind-huge."""
    return download_folder() / "imagebind_huge.pth"


def _enter(folder: str) -> None:
    """Changes to the program's working directory; a missing one shows later as a missing file."""
    with contextlib.suppress(OSError):
        os.chdir(folder)


def _require_same_file(video: Path, size_bytes: int) -> None:
    try:
        actual = f"{video.stat().st_size:,} bytes"
    except OSError as error:
        actual = error.strerror or str(error)
    expected = f"{size_bytes:,} bytes"
    if actual != expected:
        raise ClusterError(
            f"{socket.gethostname()} does not see {video.absolute()} as the program does: "
            f"{actual}, expected {expected}. Every machine must find the videos under the same "
            "path, on a file system that they share"
        )
