"""The two loops of stage 1 as one line of work: videos → LMDB, and LMDB → Arrow.

While one clip is encoded here, worker processes decode those that come after it, so that both loops together cost
little more than the slower of the two. Everything moves in the order of the corpus: what ends up in the cache does not
tell how many workers there were, which clips were there before, or where a run was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from semanticmac.cache.frames import FrameStore
from semanticmac.cache.keys import Sampling
from semanticmac.cache.raw import RecordError, unpack
from semanticmac.cache.shards import EmbeddingWriter
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.encoder import EncodeError, Encoder
from semanticmac.preprocess.isolation import decode_all

Progress = Callable[[str, int, int, int], None]  # stage, done, total, failed
Keyed = tuple[Clip, str]  # a clip and its content key

_WRITE_CLIPS = 16  # clips in one LMDB transaction: a killed run decodes at most these again


@dataclass
class Tally:
    """What was done so far."""

    decoded: int = 0
    encoded: int = 0
    lost: dict[str, str] = field(default_factory=dict)  # content key → why it is not in the cache


@dataclass(frozen=True)
class Ready:
    """A clip whose frames are there."""

    key: str
    record: bytes | None  # where it was decoded just now: it may reach the store after it is encoded, or never (a kill)


def decode_missing(
    keyed: Sequence[Keyed], store: FrameStore, sampling: Sampling, workers: int, tally: Tally, progress: Progress
) -> Iterator[Ready]:
    """Every content key that has frames, once, in the order of the corpus; those that the store lacks are decoded.

    workers: decoding processes; 0 decodes nothing, and what the store lacks is lost. Closing it ends the workers.
    """
    clips = {key: clip for clip, key in keyed}  # by key: equal content is decoded once
    missing = {key: clip for key, clip in clips.items() if key not in store}
    if not workers:
        tally.lost |= dict.fromkeys(missing, "not decoded yet")
        yield from (Ready(key, None) for key in clips if key not in missing)
        return
    group: list[tuple[str, bytes]] = []
    done = 0
    with closing(decode_all(list(missing.values()), sampling, workers)) as outcomes:
        for key in clips:
            if key not in missing:
                yield Ready(key, None)
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
                yield Ready(key, outcome.record)


def encode_missing(
    ready: Iterator[Ready],
    keyed: Sequence[Keyed],
    store: FrameStore,
    writer: EmbeddingWriter,
    encoder: Encoder,
    tally: Tally,
    progress: Progress,
) -> None:
    """Encodes the clips that no shard holds, as they become ready."""
    missing = len({key for _, key in keyed if key not in writer})
    failed = 0
    for clip in ready:
        embeddings = None
        if clip.key not in writer:
            try:
                embeddings = encoder.encode(store.get(clip.key) if clip.record is None else unpack(clip.record))
                tally.encoded += 1
            except (RecordError, EncodeError) as error:
                tally.lost[clip.key] = str(error)
                failed += 1
            undecoded = len(tally.lost) - failed
            progress("encoding clips", tally.encoded + failed, missing - undecoded, failed)
        if clip.key not in tally.lost:
            # Those that are there already too, in the order of the corpus: so a continued run cuts the same shards.
            writer.add(clip.key, embeddings)
    writer.finish()
