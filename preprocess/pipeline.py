"""Decodes and encodes the clips of a build.

Worker processes decode the next clips while this process encodes one, so that both together take
little more than the slower of the two. The order of the corpus is kept: the cached bytes do not
depend on the number of workers, nor on where an earlier run was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import Clip, ClipStatus
from semanticmac.preprocess.cluster.worker_pool import in_order
from semanticmac.preprocess.decoding.isolation import DecodedClip, decode_all
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encode_jobs import EncodeJob, Encoding, encode_jobs, groups_of_jobs
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.preprocess.faces.finder import FinderSpec
from semanticmac.preprocess.faces.stored import FaceInput, StoredFaces

# Threads that encode on a GPU: one unpacks frames while the GPU works for another.
GPU_FEEDERS = 4
# Decoded clips are written after this many clips or seconds, whichever comes first, in one LMDB
# transaction. A killed run decodes at most these again.
_WRITE_CLIPS = 16
_WRITE_S = 3.0


@dataclass(frozen=True)
class EncodedClip:
    """A clip after the encoders; without encodings if there was nothing to encode."""

    clip: Clip
    encodings: tuple[Encoding, ...] = ()


class Backend(Protocol):
    """Decodes and encodes: this machine (LocalBackend) or a cluster (cluster/ray_backend.py)."""

    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Identify the streams that it makes, in the order of its encoders. Empty: it decodes."""

    def finders(self) -> tuple[FinderSpec | None, ...]:
        """The finder of each encoder, in their order; None: it reads whole frames, or audio."""

    def decode(self, clips: Sequence[Clip]) -> Generator[DecodedClip, None, None]:
        """Decodes clips, in order. It may work ahead; closing the generator ends that work."""

    def encode(self, jobs: Iterable[EncodeJob]) -> Iterator[EncodedClip]:
        """Encodes records, in order. It may take some of them in advance.

        A clip without a record passes through.
        """


@dataclass(frozen=True)
class LocalBackend:
    """This machine: worker processes decode, this process encodes."""

    encoders: Sequence[Encoder]
    workers: int
    sampling: Sampling
    decoder: Decoder = DEFAULT_DECODER

    def fingerprints(self) -> tuple[Fingerprint, ...]:
        return tuple(encoder.fingerprint(self.sampling) for encoder in self.encoders)

    def finders(self) -> tuple[FinderSpec | None, ...]:
        return tuple(getattr(encoder, "finder_spec", None) for encoder in self.encoders)

    def decode(self, clips: Sequence[Clip]) -> Generator[DecodedClip, None, None]:
        return decode_all(clips, self.sampling, self.workers, decoder=self.decoder)

    def encode(self, jobs: Iterable[EncodeJob]) -> Iterator[EncodedClip]:
        if any(encoder.device.type == "cuda" for encoder in self.encoders):
            return chain.from_iterable(_threaded(self._encode, groups_of_jobs(jobs), GPU_FEEDERS))
        return chain.from_iterable(self._encode([job]) for job in jobs)

    def _encode(self, jobs: Sequence[EncodeJob]) -> list[EncodedClip]:
        encodings = encode_jobs(self.encoders, jobs)
        return [EncodedClip(job.clip, made) for job, made in zip(jobs, encodings, strict=True)]


def _threaded(
    encode: Callable[[list[EncodeJob]], list[EncodedClip]],
    groups: Iterable[list[EncodeJob]],
    threads: int,
) -> Iterator[list[EncodedClip]]:
    """`map` in several threads, in order and a few groups ahead."""
    with ThreadPoolExecutor(threads) as pool:
        submitted = ((group, pool.submit(encode, group)) for group in groups)
        try:
            for _, encoded in in_order(submitted, 2 * threads):
                yield encoded
        finally:
            pool.shutdown(cancel_futures=True)


class Pipeline:
    """Brings clips into the frame store and, with writers, into the streams of embeddings.

    Each content key comes once, in the order of the corpus. `decode` sets what one clip brings;
    `run` alone writes to the cache. Both change only the ClipStatus.
    """

    def __init__(
        self,
        statuses: Sequence[ClipStatus],
        store: FrameStore,
        writers: Sequence[EmbeddingWriter],
        backend: Backend,
        progress: ProgressFn,
        clock: Callable[[], float] = time.monotonic,
        faces: StoredFaces | None = None,
    ) -> None:
        """statuses: "new" clips are decoded; "cached" ones have frames in the store.

        writers: one for each encoder of the backend, in the same order; none: only decode. clock:
        seconds; a test gives its own. faces: of all clips, where an encoder reads faces.
        """
        self.store, self.writers, self.backend = store, writers, backend
        self.statuses = {status.clip.clip_id: status for status in statuses}
        self.to_decode = [status for status in statuses if status.state == "new"]
        self.to_encode = _to_encode(statuses, writers)
        self.decoded = self.encoded = 0
        self._progress = progress
        self._decode_failed = self._encode_failed = 0
        self._unwritten: list[tuple[str, bytes]] = []
        self._clock = clock
        self._faces = faces
        self._last_write_s = float("-inf")  # The first clip is written at once.

    def run(self) -> None:
        """Decodes and encodes every clip, and sets its status to "cached" or "failed"."""
        with closing(self._decode()) as decoded:
            for encoded in self.backend.encode(decoded):
                status = self.statuses[encoded.clip.clip_id]
                self._store_frames(status)
                self._store_embeddings(status, encoded)
        self._flush_frames()
        for writer in self.writers:
            writer.finish()

    def _decode(self) -> Generator[EncodeJob, None, None]:
        """Every clip, with its record if it is to be encoded. A failed clip has none."""
        clips = [status.clip for status in self.to_decode]
        with closing(self.backend.decode(clips)) as results:
            for status in self.statuses.values():
                if status.state == "new":
                    self._take(status, next(results))
                encoders = self.to_encode.get(status.key, ())
                record = None
                faces: dict[int, FaceInput] = {}
                if encoders:
                    record = status.record or self.store.record(status.key)
                    if self._faces is not None:
                        faces = self._faces.inputs(status.key, encoders)
                yield EncodeJob(status.clip, record, encoders, faces)

    def _take(self, status: ClipStatus, decoded: DecodedClip) -> None:
        status.record = decoded.record
        if decoded.record is None:
            status.fail(decoded.reason)
            self._decode_failed += 1
            self.to_encode.pop(status.key, None)

    def _store_frames(self, status: ClipStatus) -> None:
        if status.record is not None:
            self._unwritten.append((status.key, status.record))
            status.record, status.state = None, "cached"
            waited_s = self._clock() - self._last_write_s
            if len(self._unwritten) >= _WRITE_CLIPS or waited_s >= _WRITE_S:
                self._flush_frames()
        elif status.state == "cached":
            return
        done = self.decoded + len(self._unwritten) + self._decode_failed
        self._progress("decoding clips", done, len(self.to_decode), self._decode_failed)

    def _flush_frames(self) -> None:
        if self._unwritten:
            self.store.put_many(self._unwritten)
            self.decoded += len(self._unwritten)
            self._unwritten.clear()
            self._last_write_s = self._clock()

    def _store_embeddings(self, status: ClipStatus, encoded: EncodedClip) -> None:
        if status.state == "failed":
            return
        for position, writer in enumerate(self.writers):
            # Clips with embeddings come here too: so a continued run cuts the same shards.
            if position not in self.to_encode.get(status.key, ()):
                writer.keep(status.key)
        for encoding in encoded.encodings:
            writer = self.writers[encoding.encoder]
            if encoding.reason:
                writer.fail(status.key, encoding.reason)
            else:
                writer.add(status.key, encoding.embeddings)
        if not encoded.encodings:
            return

        reason = self._failure(encoded.encodings)
        if reason:
            status.fail(reason)
            self._encode_failed += 1
        else:
            self.encoded += 1
        done = self.encoded + self._encode_failed
        self._progress("encoding clips", done, len(self.to_encode), self._encode_failed)

    def _failure(self, encodings: Sequence[Encoding]) -> str:
        """Why a clip failed; empty if it did not. A reason of all encoders is given once."""
        reasons = {}
        for encoding in encodings:
            if encoding.reason:
                reasons[encoding.encoder] = encoding.reason
        if len(reasons) == len(encodings) and len(set(reasons.values())) == 1:
            return encodings[0].reason
        return "; ".join(f"{self.writers[i].label}: {reason}" for i, reason in reasons.items())


def _to_encode(
    statuses: Sequence[ClipStatus], writers: Sequence[EmbeddingWriter]
) -> dict[str, tuple[int, ...]]:
    """Content key → positions of the encoders whose stream lacks the clip."""
    to_encode = {}
    for status in statuses:
        lacking = [i for i, writer in enumerate(writers) if status.key not in writer]
        if lacking:
            to_encode[status.key] = tuple(lacking)
    return to_encode
