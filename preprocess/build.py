"""One build of stage 1: which clips there are, the two loops over them (stages.py), the manifest, and what failed."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from semanticmac.cache.atomic_io import as_text
from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.failures import Failure, write_failures
from semanticmac.cache.frame_store import FrameStore, StoreDamaged
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.records import ClipSummary
from semanticmac.cache.verify import damaged_records, damaged_shards, incomplete_datasets
from semanticmac.core import MODALITIES, ProgressFn
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.content_keys import NO_FILE, content_keys, failure_of
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.preprocess.pipeline import (
    Backend,
    BuildStats,
    Keyed,
    LocalBackend,
    decode_missing,
    encode_missing,
)
from semanticmac.preprocess.previous_build import embedded_rows, read_previous, replaced

VIDEO_MISSING = "the video is gone; what is cached of it is kept"


@dataclass(frozen=True)
class Plan:
    """How a build runs; none of it changes what ends up in the cache, but for the sampling."""

    root: Path  # the corpus folder; the manifest names videos relative to it
    workers: int  # decoding processes of this machine
    sampling: Sampling = field(default_factory=Sampling)
    frames: bool = True  # False: encode what is decoded already
    repair: bool = False  # read every byte of the cache first, and make again what is damaged
    decoder: Decoder = DEFAULT_DECODER


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
    incomplete: tuple[
        str, ...
    ] = ()  # after a repair, which others share: each dataset that is not whole, a sentence
    replaced: int = 0  # clips of other videos that this name stood for until now

    @property
    def nothing_to_do(self) -> bool:
        """Everything was there and stayed as it was."""
        return not (self.decoded or self.encoded or self.failed or self.manifest_written)


def build(
    corpus: Corpus,
    layout: CacheLayout,
    encoder: Encoder | None,
    plan: Plan,
    progress: ProgressFn,
    cluster: Backend | None = None,
) -> BuildReport:
    """Caches a corpus: what is cached already is not touched, what fails is named and does not stop the rest.

    Without an encoder only frames are stored, and the manifest waits for a build with one. cluster:
    what decodes and encodes instead of this machine, with an encoder of its own; it changes no byte
    of the cache. A clip whose video is gone stays as it is cached. Raises CorpusError for a label
    that the task does not have, where not one video is there or cached, and where imported features
    have the name, all before anything is decoded; and CacheBusy where another builder is at work.
    """
    corpus = replace(
        corpus, clips=tuple(replace(clip, clip_id=as_text(clip.clip_id)) for clip in corpus.clips)
    )
    targets = {clip.clip_id: _targets(corpus, clip) for clip in corpus.clips}
    written = False
    tally = BuildStats()
    engine = cluster or LocalBackend(encoder, plan.workers, plan.sampling, plan.decoder)
    with layout.build_lock():
        former = read_previous(layout, corpus.dataset)
        fingerprint = engine.fingerprint()
        if plan.repair:
            drop_damaged(layout, fingerprint, progress)
        keyed, gone, failures = content_keys(corpus.clips, layout, plan.sampling, progress)
        if not keyed and {failure.reason for failure in failures} == {NO_FILE}:
            clips = f"not one of {len(corpus.clips)} clips has its file, the first is {corpus.clips[0].video}"
            raise CorpusError(f"{corpus.name}: {clips}; is this the folder of the download?")
        with FrameStore(layout.frames, writable=True) as store:
            todo = [(clip, key) for clip, key in keyed if clip.clip_id not in gone or key in store]
            ready = decode_missing(todo, store, engine if plan.frames else None, tally, progress)
            if fingerprint is not None:
                writer = EmbeddingWriter(layout.embeddings(fingerprint), fingerprint)
                encode_missing(ready, todo, store, writer, engine, tally, progress)
            for _ in ready:  # without an encoder, decoding is all there is to do
                pass
            tally.lost = {key: NO_FILE for _, key in keyed if key not in store} | tally.lost
            kept = (
                {}
                if fingerprint is None
                else embedded_rows(former, tally.lost, layout.embeddings(fingerprint))
            )
            failures += [
                failure_of(clip, tally.lost[key])
                for clip, key in keyed
                if key in tally.lost.keys() - kept
            ]
            failed = {failure.clip_id for failure in failures}
            cached = [(clip, key) for clip, key in keyed if clip.clip_id not in failed]
            if fingerprint is not None:
                abouts = [kept.get(key) or store.summary(key) for _, key in cached]
                rows = (
                    _row(clip, key, plan.root, about, targets[clip.clip_id])
                    for (clip, key), about in zip(cached, abouts, strict=True)
                )
                manifest = Manifest(
                    corpus.dataset, corpus.task, fingerprint, tuple(rows), corpus.notes, corpus.name
                )
                written = manifest.write(layout.manifest(corpus.dataset))
                layout.mark_built(corpus.dataset)
            write_failures(
                layout.failures(corpus.dataset),
                [*failures, *_remarks(cached, store, gone, tally.lost)],
            )
            lacking = tuple(incomplete_datasets(layout, store)) if plan.repair else ()
    others = replaced(former, (key for _, key in keyed), plan.sampling) if written else 0
    return BuildReport(
        corpus.dataset,
        len(corpus.clips),
        len(cached),
        tally.decoded,
        tally.encoded,
        len(failures),
        written,
        lacking,
        others,
    )


def drop_damaged(
    layout: CacheLayout, fingerprint: Fingerprint | None, progress: ProgressFn
) -> None:
    """Takes out of the cache what `verify` finds changed, so that the build makes it again, and only it.

    It goes whichever dataset it is of, as datasets share clips and shards; BuildReport names those
    that lack it then.
    """
    if layout.frames.exists():
        try:
            with FrameStore(layout.frames, writable=True) as store:
                for key in damaged_records(store, progress):
                    store.delete(key)
        except StoreDamaged:
            FrameStore.remove(layout.frames)
    if fingerprint is not None:
        shards = [
            damage.shard for damage in damaged_shards(layout.embeddings(fingerprint), progress)
        ]
        EmbeddingWriter(layout.embeddings(fingerprint), fingerprint).remove_shards(shards)


def _targets(corpus: Corpus, clip: Clip) -> dict[str, list[float] | None]:
    """The clip's target vectors by manifest column."""
    columns = {"multimodal": "label", **{name: f"label_{name}" for name in MODALITIES}}
    if corpus.task is None:
        return dict.fromkeys(columns.values())
    try:
        return {
            column: corpus.task.encode(clip.labels.get(name)) for name, column in columns.items()
        }
    except ValueError as error:
        raise CorpusError(f"{corpus.name}: clip {clip.clip_id!r}: {error}") from None


def _row(
    clip: Clip,
    key: str,
    root: Path,
    about: ClipSummary | Row,
    targets: dict[str, list[float] | None],
) -> Row:
    return Row(
        clip_id=clip.clip_id,
        key=key,
        video=as_text(
            clip.video.relative_to(root).as_posix()
            if clip.video.is_relative_to(root)
            else clip.video.name
        ),
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


def _remarks(
    cached: Iterable[Keyed], store: FrameStore, gone: Container[str], lost: Mapping[str, str]
) -> Iterator[Failure]:
    """Clips that are cached, but not as a person would expect.

    gone: clip ids; lost: content key → why.
    """
    for clip, key in cached:
        notes = list(store.summary(key).notes) if key in store else []
        if clip.clip_id in gone:
            notes.append(VIDEO_MISSING)
        elif key in lost:
            notes.append(f"it has no frames ({lost[key]}); its embeddings are kept")
        if notes:
            yield replace(failure_of(clip, "; ".join(notes)), cached=True)
