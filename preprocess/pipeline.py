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
from typing import Protocol

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.frame_codec import RecordError, unpack
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import Embeddings
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import Clip, ClipStatus
from semanticmac.preprocess.cluster.worker_pool import in_order
from semanticmac.preprocess.decoding.isolation import DecodedClip, decode_all
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encoders.protocol import EncodeError, PairEncoder

# Threads that encode on a GPU: one unpacks frames while the GPU works for another. Each clip is
# still encoded by itself.
GPU_FEEDERS = 4
# Decoded clips are written after this many clips or seconds, whichever comes first, in one LMDB
# transaction. A killed run decodes at most these again.
_WRITE_CLIPS = 16
_WRITE_S = 3.0


@dataclass(frozen=True)
class EncodedClip:
    """A clip after the encoder."""

    clip: Clip
    embeddings: Embeddings | None  # None: there was nothing to encode, or it failed
    reason: str = ""  # why it failed


class Backend(Protocol):
    """Decodes and encodes: this machine (LocalBackend) or a cluster (cluster/ray_backend.py)."""

    def fingerprint(self) -> Fingerprint | None:
        """Identifies the embeddings that it makes. None: it only decodes."""

    def decode(self, clips: Sequence[Clip]) -> Generator[DecodedClip, None, None]:
        """Decodes clips, in order. It may work ahead; closing the generator ends that work."""

    def encode(self, decoded: Iterable[DecodedClip]) -> Iterator[EncodedClip]:
        """Encodes records, in order. It may take some of them in advance.

        A clip without a record passes through.
        """


@dataclass(frozen=True)
class LocalBackend:
    """This machine: worker processes decode, this process encodes."""

    encoder: PairEncoder | None
    workers: int
    sampling: Sampling
    decoder: Decoder = DEFAULT_DECODER

    def fingerprint(self) -> Fingerprint | None:
        return None if self.encoder is None else self.encoder.fingerprint(self.sampling)

    def decode(self, clips: Sequence[Clip]) -> Generator[DecodedClip, None, None]:
        return decode_all(clips, self.sampling, self.workers, decoder=self.decoder)

    def encode(self, decoded: Iterable[DecodedClip]) -> Iterator[EncodedClip]:
        if self.encoder is not None and self.encoder.device.type == "cuda":
            return _threaded(self._encode, decoded, GPU_FEEDERS)
        return map(self._encode, decoded)

    def _encode(self, decoded: DecodedClip) -> EncodedClip:
        if decoded.record is None:
            return EncodedClip(decoded.clip, None)
        assert self.encoder is not None
        result = encode_record(self.encoder, decoded.record)
        if isinstance(result, str):
            return EncodedClip(decoded.clip, None, result)
        return EncodedClip(decoded.clip, result)


def _threaded(
    encode: Callable[[DecodedClip], EncodedClip], decoded: Iterable[DecodedClip], threads: int
) -> Iterator[EncodedClip]:
    """`map` in several threads, in order and a few clips ahead."""
    with ThreadPoolExecutor(threads) as pool:
        submitted = ((clip, pool.submit(encode, clip)) for clip in decoded)
        try:
            for _, encoded in in_order(submitted, 2 * threads):
                yield encoded
        finally:
            pool.shutdown(cancel_futures=True)


def encode_record(encoder: PairEncoder, record: bytes) -> Embeddings | str:
    """The embeddings of a packed clip, or the reason why there are none."""
    try:
        return encoder.encode(unpack(record))
    except (RecordError, EncodeError) as error:
        return str(error)


class Pipeline:
    """Brings clips into the frame store and, with a writer, into the embeddings.

    Each content key comes once, in the order of the corpus. `decode` sets what one clip brings;
    `run` alone writes to the cache. Both change only the ClipStatus.
    """

    def __init__(
        self,
        statuses: Sequence[ClipStatus],
        store: FrameStore,
        writer: EmbeddingWriter | None,
        backend: Backend,
        progress: ProgressFn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """statuses: "new" clips are decoded; "cached" ones have frames in the store.

        clock: seconds; a test gives its own.
        """
        self.store, self.writer, self.backend = store, writer, backend
        self.statuses = {status.clip.clip_id: status for status in statuses}
        self.to_decode = [status for status in statuses if status.state == "new"]
        self.to_encode: set[str] = set()
        if writer is not None:
            self.to_encode = {status.key for status in statuses if status.key not in writer}
        self.decoded = self.encoded = 0
        self._progress = progress
        self._decode_failed = self._encode_failed = 0
        self._unwritten: list[tuple[str, bytes]] = []
        self._clock = clock
        self._last_write_s = float("-inf")  # The first clip is written at once.

    def run(self) -> None:
        """Decodes and encodes every clip, and sets its status to "cached" or "failed"."""
        with closing(self._decode()) as decoded:
            for encoded in self.backend.encode(decoded):
                status = self.statuses[encoded.clip.clip_id]
                self._store_frames(status)
                self._store_embeddings(status, encoded)
        self._flush_frames()
        if self.writer is not None:
            self.writer.finish()

    def _decode(self) -> Generator[DecodedClip, None, None]:
        """Every clip, with its record if it is to be encoded. A failed clip has none."""
        clips = [status.clip for status in self.to_decode]
        with closing(self.backend.decode(clips)) as results:
            for status in self.statuses.values():
                if status.state == "new":
                    self._take(status, next(results))
                record = None
                if status.key in self.to_encode:
                    record = status.record or self.store.record(status.key)
                yield DecodedClip(status.clip, record)

    def _take(self, status: ClipStatus, decoded: DecodedClip) -> None:
        status.record = decoded.record
        if decoded.record is None:
            status.fail(decoded.reason)
            self._decode_failed += 1
            self.to_encode.discard(status.key)

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
        if self.writer is None or status.state == "failed":
            return
        if status.key in self.to_encode:
            if encoded.embeddings is None:
                status.fail(encoded.reason)
                self._encode_failed += 1
            else:
                self.encoded += 1
            done = self.encoded + self._encode_failed
            self._progress("encoding clips", done, len(self.to_encode), self._encode_failed)
        if status.state == "cached":
            # Clips with embeddings come here too: so a continued run cuts the same shards.
            self.writer.add(status.key, encoded.embeddings)
