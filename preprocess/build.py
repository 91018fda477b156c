"""One build of stage 1: plan the clips, run the pipeline, publish manifest and failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from semanticmac.cache.atomic_io import as_text
from semanticmac.cache.copies import copies_notes
from semanticmac.cache.face_store import FaceStore, face_folders
from semanticmac.cache.failures import Failure, write_failures
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import open_writer, record_last
from semanticmac.cache.verify import incomplete_datasets
from semanticmac.core import MODALITIES, ProgressFn
from semanticmac.preprocess.build_faces import run_with_faces
from semanticmac.preprocess.clip import Clip, ClipStatus, Corpus, CorpusError
from semanticmac.preprocess.content_keys import NO_FILE, read_content_keys
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.preprocess.faces.stored import StoredFaces
from semanticmac.preprocess.pipeline import Backend, LocalBackend, Pipeline
from semanticmac.preprocess.previous_build import count_replaced, embedded_rows, read_previous
from semanticmac.preprocess.repair import drop_damaged

VIDEO_MISSING = "the video file no longer exists; its cached data is kept"
NOT_DECODED = "not decoded yet"

Targets = dict[str, list[float] | None]  # target vector by manifest column


@dataclass(frozen=True)
class BuildOptions:
    """How a build runs. Only the sampling and the decoder can change what is cached."""

    root: Path  # folder of the corpus; the manifest names videos relative to it
    workers: int  # decoding processes on this machine
    sampling: Sampling = field(default_factory=Sampling)
    frames: bool = True  # False: encode only clips that are decoded already
    repair: bool = False  # check every byte of the cache first, and make damaged parts again
    decoder: Decoder = DEFAULT_DECODER


@dataclass(frozen=True)
class BuildReport:
    """The result of one build."""

    dataset: str
    clips: int  # clips in the corpus
    cached: int  # clips in the cache after the build
    failed: int
    manifest_written: bool
    decoded: int = 0  # clips decoded by this build
    encoded: int = 0  # clips encoded by this build
    # After a repair: one sentence for each dataset or stream that lacks data.
    incomplete: tuple[str, ...] = ()
    # Clips of other videos that had this dataset name before.
    replaced: int = 0
    # Clips that an encoder refused now and that other streams hold.
    refused: int = 0
    # A note about clips whose content stands in two splits; empty if there are none.
    copies: tuple[str, ...] = ()

    @property
    def nothing_to_do(self) -> bool:
        """True if every clip was cached before and nothing changed."""
        changed = self.decoded or self.encoded or self.manifest_written
        return not (changed or self.failed or self.refused)


def build(
    corpus: Corpus,
    layout: CacheLayout,
    encoders: Sequence[Encoder],
    options: BuildOptions,
    progress: ProgressFn,
    cluster: Backend | None = None,
) -> BuildReport:
    """Caches a corpus. Cached clips are not touched; a clip that fails does not stop the others.

    Each encoder fills one stream of embeddings; other streams of the cache are not touched. Without
    an encoder, only frames are stored and no manifest is written. `cluster` replaces this machine
    and `encoders`; the cached bytes are the same. A cached clip stays if its video is deleted.

    Raises CorpusError, before anything is decoded, for a label that the task does not have, if no
    video exists and none is cached, and if imported features have the same dataset name. Raises
    CacheBusy if another process builds in this cache folder.
    """
    clips = tuple(replace(clip, clip_id=as_text(clip.clip_id)) for clip in corpus.clips)
    corpus = replace(corpus, clips=clips)
    targets = {clip.clip_id: label_targets(corpus, clip) for clip in clips}
    backend = cluster or LocalBackend(encoders, options.workers, options.sampling, options.decoder)

    with layout.build_lock():
        previous = read_previous(layout, corpus.dataset)
        streams = backend.fingerprints()
        damaged: list[str] = []
        if options.repair:
            damaged = drop_damaged(layout, streams, backend.finders(), progress)
        statuses = plan(corpus, layout, options, progress, previous)
        pipeline = run(statuses, layout, streams, backend, options, progress)
        if streams:
            retain(statuses, embedded_rows(previous, layout))
        report = publish(corpus, statuses, targets, layout, streams, options)
        report = replace(report, incomplete=(*report.incomplete, *damaged))

    replaced = 0
    if report.manifest_written:
        keys = {status.key for status in statuses.values()}
        replaced = count_replaced(previous, keys, options.sampling)
    return replace(report, decoded=pipeline.decoded, encoded=pipeline.encoded, replaced=replaced)


def plan(
    corpus: Corpus,
    layout: CacheLayout,
    options: BuildOptions,
    progress: ProgressFn,
    previous: Manifest | None = None,
) -> dict[str, ClipStatus]:
    """The status of each clip by clip id: new, cached, missing or failed.

    Raises CorpusError if no video exists and the cache knows none of them.
    """
    statuses = read_content_keys(corpus.clips, layout, options.sampling, progress, previous)
    if all(not status.key and status.reason == NO_FILE for status in statuses.values()):
        raise CorpusError(
            f"{corpus.name}: none of the {len(corpus.clips)} video files exists; the first is "
            f"{corpus.clips[0].video}. Is this the folder of the download?"
        )
    with FrameStore(layout.frames, writable=True) as store:
        for status in statuses.values():
            if status.key and status.key in store:
                status.state, status.reason = "cached", ""
            elif status.state == "new" and not options.frames:
                status.fail(NOT_DECODED)
    return statuses


def run(
    statuses: Mapping[str, ClipStatus],
    layout: CacheLayout,
    streams: Sequence[Fingerprint],
    backend: Backend,
    options: BuildOptions,
    progress: ProgressFn,
) -> Pipeline:
    """Decodes and encodes new and cached clips, each content key once, and updates the statuses."""
    to_do: dict[str, ClipStatus] = {}
    for status in statuses.values():
        if status.state in ("new", "cached"):
            to_do[status.key] = status
    with FrameStore(layout.frames, writable=True) as store:
        writers = [open_writer(layout, stream) for stream in streams]
        if not any(backend.finders()):
            pipeline = Pipeline(list(to_do.values()), store, writers, backend, progress)
            pipeline.run()
            return pipeline
        with closing(StoredFaces(layout, backend.finders(), options.sampling)) as faces:
            clips = list(to_do.values())
            return run_with_faces(
                clips,
                faces,
                store,
                writers,
                backend,
                options.workers,
                progress,
                find_all=options.repair,
            )


def retain(statuses: Mapping[str, ClipStatus], rows: Mapping[str, Row]) -> None:
    """Keeps failed and missing clips that earlier builds have encoded."""
    for status in statuses.values():
        if status.state in ("failed", "missing") and status.key in rows:
            status.state, status.row = "retained", rows[status.key]


def publish(
    corpus: Corpus,
    statuses: Mapping[str, ClipStatus],
    targets: Mapping[str, Targets],
    layout: CacheLayout,
    streams: Sequence[Fingerprint],
    options: BuildOptions,
) -> BuildReport:
    """Writes the manifest and then the failures. Without a stream, only the failures."""
    failures = _failures(corpus.clips, statuses)
    failed = {failure.clip_id for failure in failures}
    cached = [clip for clip in corpus.clips if clip.clip_id not in failed]
    written = False
    copies: list[str] = []
    incomplete: list[str] = []
    with FrameStore(layout.frames, writable=True) as store:
        if streams:
            rows = []
            for clip in cached:
                status = statuses[clip.clip_id]
                rows.append(_row(clip, status, store, options.root, targets[clip.clip_id]))
            manifest = Manifest(
                corpus.dataset,
                corpus.task,
                options.sampling,
                tuple(rows),
                corpus.notes,
                corpus.name,
            )
            record_last(layout, corpus.dataset, streams)
            written = manifest.write(layout.manifest(corpus.dataset))
            layout.mark_built(corpus.dataset)
            copies = copies_notes(rows)
        refused = sum(_refused(statuses[clip.clip_id], store) for clip in cached)
        with ExitStack() as stack:
            faces = [stack.enter_context(FaceStore(path)) for path in face_folders(layout)]
            remarks = list(_remarks(cached, statuses, store, faces))
        write_failures(layout.failures(corpus.dataset), [*failures, *remarks])
        if options.repair:
            incomplete = incomplete_datasets(layout, store)
    return BuildReport(
        dataset=corpus.dataset,
        clips=len(corpus.clips),
        cached=len(cached),
        failed=len(failures),
        refused=refused,
        manifest_written=written,
        incomplete=tuple(incomplete),
        copies=tuple(copies),
    )


def _failures(clips: tuple[Clip, ...], statuses: Mapping[str, ClipStatus]) -> list[Failure]:
    """The clips that are not in the cache. Clips without a content key come first."""
    failures = []
    for has_key in (False, True):
        for clip in clips:
            status = statuses[clip.clip_id]
            if bool(status.key) == has_key and status.state in ("failed", "missing"):
                failures.append(Failure(clip.clip_id, str(clip.video), status.reason, cached=False))
    return failures


def _remarks(
    cached: list[Clip],
    statuses: Mapping[str, ClipStatus],
    store: FrameStore,
    faces: Sequence[FaceStore],
) -> Iterator[Failure]:
    """Clips that are cached, but with something to report, such as a missing audio track."""
    for clip in cached:
        status = statuses[clip.clip_id]
        notes = list(store.summary(status.key).notes) if status.key in store else []
        for face_store in faces:
            if status.key in face_store:
                notes += face_store.notes(status.key)
        if clip.clip_id in status.without_file:
            notes.append(VIDEO_MISSING)
        if _refused(status, store):
            notes.append(f"not encoded now: {status.reason}; its other embeddings are kept")
        elif status.state == "retained" and clip.clip_id not in status.without_file:
            notes.append(f"it has no frames ({status.reason}); its embeddings are kept")
        if notes:
            yield Failure(clip.clip_id, str(clip.video), "; ".join(notes), cached=True)


def _refused(status: ClipStatus, store: FrameStore) -> bool:
    """Whether an encoder refused the frames of a clip that other streams hold."""
    return status.state == "retained" and status.key in store


def label_targets(corpus: Corpus, clip: Clip) -> Targets:
    """The target vectors of a clip by manifest column. Raises CorpusError for an unknown label."""
    targets: Targets = {}
    for name in ("multimodal", *MODALITIES):
        column = "label" if name == "multimodal" else f"label_{name}"
        targets[column] = None
        if corpus.task is None:
            continue
        try:
            targets[column] = corpus.task.encode(clip.labels.get(name))
        except ValueError as error:
            raise CorpusError(f"{corpus.name}: clip {clip.clip_id!r}: {error}") from None
    return targets


def _row(clip: Clip, status: ClipStatus, store: FrameStore, root: Path, targets: Targets) -> Row:
    about = status.row or store.summary(status.key)
    video = clip.video.name
    if clip.video.is_relative_to(root):
        video = clip.video.relative_to(root).as_posix()
    return Row(
        clip_id=clip.clip_id,
        key=status.key,
        video=as_text(video),
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
