"""The two loops of stage 1, build_frames (video → LMDB) and build_embeddings (LMDB → Arrow), and the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from semanticmac.cache.digests import DigestMemo
from semanticmac.cache.embeddings import Embeddings
from semanticmac.cache.failures import Failure, write_failures
from semanticmac.cache.frames import FrameStore
from semanticmac.cache.home import CacheHome
from semanticmac.cache.keys import Fingerprint, Sampling, content_key
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.raw import RawClip, RecordError
from semanticmac.cache.shards import EmbeddingWriter
from semanticmac.cache.task import MODALITIES
from semanticmac.cache.verify import damaged_records, damaged_shards
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.encoder import EncodeError, Encoder
from semanticmac.preprocess.isolation import decode_all

Progress = Callable[[str, int, int, int], None]  # stage, done, total, failed
Keyed = tuple[Clip, str]  # a clip and its content key

_WRITE_CLIPS = 16  # clips in one LMDB transaction: a killed run decodes at most these again
_ENCODE_CLIPS = 16  # clips that are handed to the encoder together


@dataclass(frozen=True)
class Plan:
    """How a build runs; none of it changes what ends up in the cache, but for the sampling."""

    root: Path  # the corpus folder; the manifest names videos relative to it
    workers: int  # decoding processes
    sampling: Sampling = field(default_factory=Sampling)
    frames: bool = True  # False: encode what is decoded already
    repair: bool = False  # read every byte of the cache first, and make again what is damaged


@dataclass(frozen=True)
class BuildReport:
    """What one build did."""

    dataset: str
    clips: int  # of the corpus
    cached: int  # of them in the cache now
    decoded: int  # by this build
    encoded: int  # by this build
    failed: int
    manifest_written: bool

    @property
    def nothing_to_do(self) -> bool:
        """Everything was there and stayed as it was."""
        return not (self.decoded or self.encoded or self.failed or self.manifest_written)


def build(corpus: Corpus, home: CacheHome, encoder: Encoder | None, plan: Plan, progress: Progress) -> BuildReport:
    """Caches a corpus: what is cached already is not touched, what fails is named and does not stop the rest.

    Without an encoder only frames are stored, and the manifest waits for a build with one. Raises CorpusError for a
    label that the task does not have, before anything is decoded, and CacheBusy where another builder is at work.
    """
    targets = {clip.clip_id: _targets(corpus, clip) for clip in corpus.clips}
    written = False
    decoded = encoded = 0
    with home.building():
        if plan.repair:
            drop_damaged(home, encoder, plan.sampling, progress)
        keyed, failures = content_keys(corpus.clips, home, plan.sampling, progress)
        with FrameStore(home.frames, writable=True) as store:
            if plan.frames:
                decoded, lost = build_frames(keyed, store, plan, progress)
                failures += lost
            else:
                failures += [_failure(clip, "not decoded yet") for clip, key in keyed if key not in store]
            if encoder is not None:
                fingerprint = encoder.fingerprint(plan.sampling)
                encoded, lost = build_embeddings(keyed, store, home, encoder, fingerprint, progress)
                failures += lost
            failed = {failure.clip_id for failure in failures}
            cached = [(clip, key) for clip, key in keyed if clip.clip_id not in failed]
            if encoder is not None:
                rows = tuple(_row(clip, key, plan.root, store, targets[clip.clip_id]) for clip, key in cached)
                manifest = Manifest(corpus.name, corpus.task, fingerprint, rows, corpus.notes)
                written = manifest.write(home.manifest(corpus.name))
                home.built(corpus.name)
            write_failures(home.failures(corpus.name), [*failures, *_remarks(cached, store)])
    return BuildReport(corpus.name, len(corpus.clips), len(cached), decoded, encoded, len(failures), written)


def drop_damaged(home: CacheHome, encoder: Encoder | None, sampling: Sampling, progress: Progress) -> None:
    """Takes out of the cache what `verify` finds changed, so that the build makes it again, and only it."""
    if home.frames.exists():
        with FrameStore(home.frames, writable=True) as store:
            for key in damaged_records(store, progress):
                store.delete(key)
    if encoder is not None:
        fingerprint = encoder.fingerprint(sampling)
        shards = [damage.shard for damage in damaged_shards(home.embeddings(fingerprint), progress)]
        EmbeddingWriter(home.embeddings(fingerprint), fingerprint).forget(shards)


def content_keys(
    clips: Sequence[Clip], home: CacheHome, sampling: Sampling, progress: Progress
) -> tuple[list[Keyed], list[Failure]]:
    """Every clip whose file can be read, with its content key; the others as failures."""
    memo = DigestMemo(home.digests)
    keyed: list[Keyed] = []
    failures: list[Failure] = []
    for done, clip in enumerate(clips, 1):
        try:
            key = content_key(memo.digest(clip.video), clip.start_s, clip.end_s, sampling, clip.crop)
            keyed.append((clip, key))
        except OSError as error:
            failures.append(_failure(clip, _unreadable(clip.video, error)))
        progress("reading files", done, len(clips), len(failures))
    memo.save()
    return keyed, failures


def build_frames(
    keyed: Sequence[Keyed], store: FrameStore, plan: Plan, progress: Progress
) -> tuple[int, list[Failure]]:
    """Decodes the clips that the store does not hold. Returns how many it decoded, and those that failed."""
    todo = {key: clip for clip, key in keyed if key not in store}  # by key: equal content is decoded once
    lost: dict[str, str] = {}  # content key → reason
    group: list[tuple[str, bytes]] = []
    for done, (key, outcome) in enumerate(
        zip(todo, decode_all(list(todo.values()), plan.sampling, plan.workers), strict=True), 1
    ):
        if outcome.record is None:
            lost[key] = outcome.reason
        else:
            group.append((key, outcome.record))
        if len(group) == _WRITE_CLIPS or done == len(todo):
            store.put_many(group)
            group.clear()
        progress("decoding clips", done, len(todo), len(lost))
    return len(todo) - len(lost), [_failure(clip, lost[key]) for clip, key in keyed if key in lost]


def build_embeddings(
    keyed: Sequence[Keyed],
    store: FrameStore,
    home: CacheHome,
    encoder: Encoder,
    fingerprint: Fingerprint,
    progress: Progress,
) -> tuple[int, list[Failure]]:
    """Encodes the stored clips that no shard holds. Returns how many it encoded, and those that failed."""
    writer = EmbeddingWriter(home.embeddings(fingerprint), fingerprint)
    clips = [(clip, key) for clip, key in keyed if key in store]
    todo = len({key for _, key in clips if key not in writer})
    failures: list[Failure] = []
    encoded = 0
    for start in range(0, len(clips), _ENCODE_CLIPS):
        group = clips[start : start + _ENCODE_CLIPS]
        fresh = dict.fromkeys(key for _, key in group if key not in writer)
        made, lost = _encode_group(list(fresh), store, encoder)
        failures += [_failure(clip, lost[key]) for clip, key in group if key in lost]
        for _, key in group:  # in the order of the corpus: a continued run cuts the same shards
            if key not in lost:
                writer.add(key, made.get(key))
        encoded += len(made)
        if todo:
            progress("encoding clips", encoded + len(failures), todo, len(failures))
    writer.finish()
    return encoded, failures


def _encode_group(
    keys: Sequence[str], store: FrameStore, encoder: Encoder
) -> tuple[dict[str, Embeddings], dict[str, str]]:
    """Embeddings by key, and reasons by key for the clips that could not be encoded."""
    raws: dict[str, RawClip] = {}
    lost: dict[str, str] = {}
    for key in keys:
        try:
            raws[key] = store.get(key)
        except RecordError as error:
            lost[key] = str(error)
    try:
        return dict(zip(raws, encoder.encode(list(raws.values())), strict=True)), lost
    except EncodeError:  # one clip of the group cannot be encoded: find it, keep the others
        made: dict[str, Embeddings] = {}
        for key, raw in raws.items():
            try:
                made[key] = encoder.encode([raw])[0]
            except EncodeError as error:
                lost[key] = str(error)
        return made, lost


def _targets(corpus: Corpus, clip: Clip) -> dict[str, list[float] | None]:
    """The clip's target vectors by manifest column."""
    columns = {"multimodal": "label", **{name: f"label_{name}" for name in MODALITIES}}
    if corpus.task is None:
        return dict.fromkeys(columns.values())
    try:
        return {column: corpus.task.encode(clip.labels.get(name)) for name, column in columns.items()}
    except ValueError as error:
        raise CorpusError(f"{corpus.name}: clip {clip.clip_id!r}: {error}") from None


def _row(clip: Clip, key: str, root: Path, store: FrameStore, targets: dict[str, list[float] | None]) -> Row:
    about = store.about(key)
    return Row(
        clip_id=clip.clip_id,
        key=key,
        video=clip.video.relative_to(root).as_posix() if clip.video.is_relative_to(root) else clip.video.name,
        start_s=clip.start_s,
        end_s=clip.end_s,
        text=clip.text,
        split=clip.split,
        frames=about.frames,
        duration_s=about.duration_s,
        has_vision=about.has_vision,
        has_audio=about.has_audio,
        **targets,
        dialogue=clip.dialogue,
        position=clip.position,
        speaker=clip.speaker,
    )


def _remarks(keyed: Iterable[Keyed], store: FrameStore) -> Iterator[Failure]:
    """Clips that are cached, but not as a person would expect."""
    for clip, key in keyed:
        notes = store.about(key).notes
        if notes:
            yield replace(_failure(clip, "; ".join(notes)), cached=True)


def _failure(clip: Clip, reason: str) -> Failure:
    return Failure(clip.clip_id, str(clip.video), reason, cached=False)


def _unreadable(video: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if video.is_dir():
        return "this is a folder, not a file"
    return f"the file cannot be read: {error.strerror}"
