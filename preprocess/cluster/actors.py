"""What a worker of a cluster does on its machine: decode clips in a child process that may die, or encode records."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import torch

from semanticmac import __version__
from semanticmac.cache.keys import PREPROCESS_VERSION, Fingerprint, Sampling
from semanticmac.cache.records import Embeddings
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.cluster.placement import ClusterError
from semanticmac.preprocess.decoding.ffmpeg_program import ProgramError, require_program
from semanticmac.preprocess.decoding.isolation import Outcome, decode_all
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encoders.imagebind.download import home
from semanticmac.preprocess.encoders.imagebind.encoder import BF16, load_encoder
from semanticmac.preprocess.pipeline import encode_record


@dataclass(frozen=True)
class Sized:
    """A clip, and the size of its file where the program runs: None where there is no such file."""

    clip: Clip
    size_bytes: int | None


class DecodeActor:
    """Decodes one clip after the other as a worker on one machine does: time and memory limit, second decoder."""

    def __init__(self, folder: str, sampling: Sampling, decoder: Decoder = DEFAULT_DECODER) -> None:
        self._folder, self._sampling, self._decoder = folder, sampling, decoder
        self._clips: SimpleQueue[Clip] = SimpleQueue()

    def place(self) -> str:
        """The name of the machine that took it in."""
        return socket.gethostname()

    def begin(self) -> str:
        """What must be the same on every machine. Raises ClusterError where ffmpeg does not run."""
        _enter(self._folder)
        try:
            require_program()
        except ProgramError as error:
            raise ClusterError(f"{socket.gethostname()}: {error}") from None
        clips = iter(self._clips.get, None)
        self._outcomes = decode_all(clips, self._sampling, 1, ahead=1, decoder=self._decoder)
        return f"semanticmac {__version__} with preprocessing {PREPROCESS_VERSION}"

    def do(self, group: list[Sized]) -> list[Outcome]:
        """What becomes of each clip. Raises ClusterError where a file is another one here."""
        return [self._decode(each) for each in group]

    def _decode(self, each: Sized) -> Outcome:
        if each.size_bytes is not None:
            _require_same_file(each.clip.video, each.size_bytes)
        self._clips.put(each.clip)
        return next(self._outcomes)


class EncodeActor:
    """Holds the encoder, on a GPU of its own or on its machine's CPU."""

    def __init__(
        self,
        folder: str,
        sampling: Sampling,
        encoder: str,
        device: str,
        weights: Path,
        threads: int,
    ) -> None:
        """weights: the folder of downloaded weights; threads: of the CPU, for how many there are shows in last bits."""
        self._folder, self._sampling = folder, sampling
        self._name, self._device, self._weights, self._threads = encoder, device, weights, threads

    def place(self) -> str:
        """The name of the machine that took it in."""
        return socket.gethostname()

    def begin(self) -> Fingerprint:
        """Loads the encoder; raises what `load_encoder` raises, and ClusterError instead of downloading."""
        _enter(self._folder)
        os.environ["SEMANTICMAC_HOME"] = str(self._weights)
        torch.set_num_threads(self._threads)
        huge = self._name.removesuffix(BF16) == "imagebind-huge"
        if huge and not huge_weights().exists():  # not once a machine, and unasked
            raise ClusterError(
                f"{socket.gethostname()} has no {huge_weights()}: set SEMANTICMAC_HOME to a folder that all machines "
                "share, or copy the file there"
            )
        self._encoder = load_encoder(self._name, self._device)
        return self._encoder.fingerprint(self._sampling)

    def do(self, record: bytes) -> Embeddings | str:
        """The embeddings of a packed clip, or the reason why there are none."""
        return encode_record(self._encoder, record)


def huge_weights() -> Path:
    """Where the downloaded weights of imagebind-huge lie."""
    return home() / "imagebind_huge.pth"


def _enter(folder: str) -> None:
    """Files are named from where the program runs; a machine without that folder will not see them, and say so."""
    with contextlib.suppress(OSError):
        os.chdir(folder)


def _require_same_file(video: Path, size_bytes: int) -> None:
    try:
        found = f"{video.stat().st_size:,} bytes"
    except OSError as error:
        found = error.strerror or str(error)
    expected = f"{size_bytes:,} bytes"
    if found != expected:
        raise ClusterError(
            f"{socket.gethostname()} does not see {video.absolute()} as the program does: {found}, expected "
            f"{expected}. Every machine must find the videos under the same path, on a file system that they share"
        )
