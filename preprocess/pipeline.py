"""The two loops of stage 1 as one line of work: videos → LMDB, and LMDB → Arrow.

While one clip is encoded here, worker processes decode those that come after it, so that both loops
together cost little more than the slower of the two. Everything moves in the order of the corpus:
what ends up in the cache does not tell how many workers there were, or where a run was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.frame_codec import RecordError, unpack
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import Embeddings
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.cluster.worker_pool import in_order
from semanticmac.preprocess.decoding.isolation import Outcome, decode_all
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encoders.protocol import EncodeError, Encoder

Keyed = tuple[Clip, str]  # a clip and its content key

# A GPU would wait while one clip's pictures are unpacked; with several threads another clip's are
# there. Each clip is still encoded by itself.
GPU_FEEDERS = 4
_WRITE_CLIPS = 16  # clips in one LMDB transaction: a killed run decodes at most these again


@dataclass
class BuildStats:
    """What was done so far."""

    decoded: int = 0
    encoded: int = 0
    lost: dict[str, str] = field(default_factory=dict)  # content key → why it is not in the cache


@dataclass(frozen=True)
class DecodedClip:
    """A clip whose frames are there."""

    key: str
    record: (
        bytes | None
    )  # where it was decoded just now: it may reach the store after it is encoded, or never (a kill)


@dataclass(frozen=True)
class EncodedClip:
    """A clip whose turn it is to be written."""

    key: str
    embeddings: Embeddings | None  # None: there was nothing to encode, or it failed
    reason: str = ""  # why it failed


class Backend(Protocol):
    """What does the work of both loops: this machine (Here), or many (cluster.py).

    What comes out keeps the order.
    """

    def fingerprint(self) -> Fingerprint | None:
        """What names the embeddings that it makes; None: it only decodes."""

    def decode(self, clips: Sequence[Clip]) -> Generator[Outcome, None, None]:
        """What becomes of each clip; it may be at work on those that come later.

        Closing it ends that.
        """

    def encode(self, ready: Iterable[DecodedClip]) -> Iterator[EncodedClip]:
        """What becomes of each record; a clip without one passes through.

        It may take more of them in advance.
        """


@dataclass(frozen=True)
class LocalBackend:
    """This machine: worker processes decode, this process encodes."""

    encoder: Encoder | None
    workers: int
    sampling: Sampling
    decoder: Decoder = DEFAULT_DECODER

    def fingerprint(self) -> Fingerprint | None:
        return None if self.encoder is None else self.encoder.fingerprint(self.sampling)

    def decode(self, clips: Sequence[Clip]) -> Generator[Outcome, None, None]:
        return decode_all(clips, self.sampling, self.workers, decoder=self.decoder)

    def encode(self, ready: Iterable[DecodedClip]) -> Iterator[EncodedClip]:
        encoder = self.encoder
        assert encoder is not None

        def one(clip: DecodedClip) -> EncodedClip:
            made = None if clip.record is None else encode_record(encoder, clip.record)
            return (
                EncodedClip(clip.key, None, made)
                if isinstance(made, str)
                else EncodedClip(clip.key, made)
            )

        feeders = GPU_FEEDERS if encoder.device.type == "cuda" else 0
        return _threaded(one, ready, feeders) if feeders else map(one, ready)


def _threaded(
    one: Callable[[DecodedClip], EncodedClip], ready: Iterable[DecodedClip], threads: int
) -> Iterator[EncodedClip]:
    """`map` by several threads, in order and a few clips ahead."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            for _, made in in_order(
                ((clip, pool.submit(one, clip)) for clip in ready), 2 * threads
            ):
                yield made
        finally:
            pool.shutdown(cancel_futures=True)


def encode_record(encoder: Encoder, record: bytes) -> Embeddings | str:
    """The embeddings of a packed clip, or the reason why there are none."""
    try:
        return encoder.encode(unpack(record))
    except (RecordError, EncodeError) as error:
        return str(error)


def decode_missing(
    keyed: Sequence[Keyed],
    store: FrameStore,
    engine: Backend | None,
    tally: BuildStats,
    progress: ProgressFn,
) -> Iterator[DecodedClip]:
    """Every content key that has frames, once, in the order of the corpus; those that the store lacks are decoded.

    engine: None decodes nothing, and what the store lacks is lost. Closing it ends the decoding.
    """
    clips = {key: clip for clip, key in keyed}  # by key: equal content is decoded once
    missing = {key: clip for key, clip in clips.items() if key not in store}
    if engine is None:
        tally.lost |= dict.fromkeys(missing, "not decoded yet")
        yield from (DecodedClip(key, None) for key in clips if key not in missing)
        return
    group: list[tuple[str, bytes]] = []
    done = 0
    with closing(engine.decode(list(missing.values()))) as outcomes:
        for key in clips:
            if key not in missing:
                yield DecodedClip(key, None)
                continue
            outcome = next(outcomes)
            done += 1
            if outcome.record is None:
                tally.lost[key] = outcome.reason
            else:
                group.append((key, outcome.record))
            if len(group) == _WRITE_CLIPS or done == len(missing):
                store.put_many(group)
                tally.decoded += len(group)
                group.clear()
            progress("decoding clips", done, len(missing), len(tally.lost))
            if outcome.record is not None:
                yield DecodedClip(key, outcome.record)


def encode_missing(
    ready: Iterator[DecodedClip],
    keyed: Sequence[Keyed],
    store: FrameStore,
    writer: EmbeddingWriter,
    engine: Backend,
    tally: BuildStats,
    progress: ProgressFn,
) -> None:
    """Encodes the clips that no shard holds, as they become ready."""
    missing = {key for _, key in keyed if key not in writer}
    failed = 0
    for clip in engine.encode(_unencoded(ready, store, missing)):
        if clip.key in missing:
            if clip.embeddings is None:
                tally.lost[clip.key] = clip.reason
                failed += 1
            else:
                tally.encoded += 1
            undecoded = len(tally.lost) - failed
            progress("encoding clips", tally.encoded + failed, len(missing) - undecoded, failed)
        if clip.key not in tally.lost:
            # Those that are there already too, in the order of the corpus: so a continued run cuts
            # the same shards.
            writer.add(clip.key, clip.embeddings)
    writer.finish()


def _unencoded(
    ready: Iterator[DecodedClip], store: FrameStore, missing: set[str]
) -> Iterator[DecodedClip]:
    """Each clip with its record where it is to be encoded, and without it where it is not."""
    for clip in ready:
        if clip.key not in missing:
            yield DecodedClip(clip.key, None)
        else:
            yield DecodedClip(
                clip.key, store.record(clip.key) if clip.record is None else clip.record
            )
