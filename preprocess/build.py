"""One build of stage 1: which clips there are, the two loops over them (stages.py), the manifest, and what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from semanticmac.cache.digests import DigestMemo
from semanticmac.cache.failures import Failure, write_failures
from semanticmac.cache.files import as_text
from semanticmac.cache.frames import FrameStore, StoreDamaged
from semanticmac.cache.home import CacheHome
from semanticmac.cache.keys import Fingerprint, Sampling, content_key
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.shards import EmbeddingWriter
from semanticmac.cache.task import MODALITIES
from semanticmac.cache.verify import damaged_records, damaged_shards
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.encoder import Encoder
from semanticmac.preprocess.stages import Engine, Here, Keyed, Progress, Tally, decode_missing, encode_missing


@dataclass(frozen=True)
class Plan:
    """How a build runs; none of it changes what ends up in the cache, but for the sampling."""

    root: Path  # the corpus folder; the manifest names videos relative to it
    workers: int  # decoding processes of this machine
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


def build(
    corpus: Corpus,
    home: CacheHome,
    encoder: Encoder | None,
    plan: Plan,
    progress: Progress,
    cluster: Engine | None = None,
) -> BuildReport:
    """Caches a corpus: what is cached already is not touched, what fails is named and does not stop the rest.

    Without an encoder only frames are stored, and the manifest waits for a build with one. cluster: what decodes and
    encodes instead of this machine, with an encoder of its own; it changes no byte of the cache. Raises CorpusError for
    a label that the task does not have, before anything is decoded, and CacheBusy where another builder is at work.
    """
    corpus = replace(corpus, clips=tuple(replace(clip, clip_id=as_text(clip.clip_id)) for clip in corpus.clips))
    targets = {clip.clip_id: _targets(corpus, clip) for clip in corpus.clips}
    written = False
    tally = Tally()
    engine = cluster or Here(encoder, plan.workers, plan.sampling)
    with home.building():
        fingerprint = engine.fingerprint()
        if plan.repair:
            drop_damaged(home, fingerprint, progress)
        keyed, failures = content_keys(corpus.clips, home, plan.sampling, progress)
        with FrameStore(home.frames, writable=True) as store:
            ready = decode_missing(keyed, store, engine if plan.frames else None, tally, progress)
            if fingerprint is not None:
                writer = EmbeddingWriter(home.embeddings(fingerprint), fingerprint)
                encode_missing(ready, keyed, store, writer, engine, tally, progress)
            for _ in ready:  # without an encoder, decoding is all there is to do
                pass
            failures += [_failure(clip, tally.lost[key]) for clip, key in keyed if key in tally.lost]
            failed = {failure.clip_id for failure in failures}
            cached = [(clip, key) for clip, key in keyed if clip.clip_id not in failed]
            if fingerprint is not None:
                rows = tuple(_row(clip, key, plan.root, store, targets[clip.clip_id]) for clip, key in cached)
                manifest = Manifest(corpus.dataset, corpus.task, fingerprint, rows, corpus.notes, corpus.name)
                written = manifest.write(home.manifest(corpus.dataset))
                home.built(corpus.dataset)
            write_failures(home.failures(corpus.dataset), [*failures, *_remarks(cached, store)])
    return BuildReport(
        corpus.dataset, len(corpus.clips), len(cached), tally.decoded, tally.encoded, len(failures), written
    )


def drop_damaged(home: CacheHome, fingerprint: Fingerprint | None, progress: Progress) -> None:
    """Takes out of the cache what `verify` finds changed, so that the build makes it again, and only it."""
    if home.frames.exists():
        try:
            with FrameStore(home.frames, writable=True) as store:
                for key in damaged_records(store, progress):
                    store.delete(key)
        except StoreDamaged:
            FrameStore.drop(home.frames)
    if fingerprint is not None:
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
        video=as_text(clip.video.relative_to(root).as_posix() if clip.video.is_relative_to(root) else clip.video.name),
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
