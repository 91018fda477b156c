"""The build of a corpus of texts alone: nothing is decoded or encoded."""

from __future__ import annotations

from dataclasses import replace

from semanticmac.cache.atomic_io import as_text
from semanticmac.cache.copies import copies_notes
from semanticmac.cache.failures import Failure, write_failures
from semanticmac.cache.keys import Sampling, text_key
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row, keys_of
from semanticmac.preprocess.build import BuildReport, label_targets
from semanticmac.preprocess.clip import Clip, Corpus
from semanticmac.preprocess.previous_build import count_replaced, read_previous

NO_TEXT = "the text is empty, and the clip has nothing else"


def build_texts(corpus: Corpus, layout: CacheLayout) -> BuildReport:
    """Caches a corpus of texts. A clip without a text fails.

    Raises CorpusError for a label that the task does not have, and CacheBusy if another process
    builds in this cache folder.
    """
    rows: list[Row] = []
    failures: list[Failure] = []
    for clip in corpus.clips:
        clip = replace(clip, clip_id=as_text(clip.clip_id))
        if clip.text:
            rows.append(_row(corpus, clip))
        else:
            failures.append(Failure(clip.clip_id, str(clip.video), NO_TEXT, cached=False))
    sampling = Sampling()
    with layout.build_lock():
        previous = read_previous(layout, corpus.dataset)
        manifest = Manifest(
            corpus.dataset, corpus.task, sampling, tuple(rows), corpus.notes, corpus.name
        )
        # Videos that had this name before may have left streams.
        layout.streams(corpus.dataset).unlink(missing_ok=True)
        written = manifest.write(layout.manifest(corpus.dataset))
        layout.mark_built(corpus.dataset)
        write_failures(layout.failures(corpus.dataset), failures)
    return BuildReport(
        corpus.dataset,
        clips=len(corpus.clips),
        cached=len(rows),
        failed=len(failures),
        manifest_written=written,
        replaced=count_replaced(previous, keys_of(rows), sampling),
        copies=tuple(copies_notes(rows)),
    )


def _row(corpus: Corpus, clip: Clip) -> Row:
    return Row(
        clip_id=clip.clip_id,
        key=text_key(clip.text),
        video=clip.video.name,
        start_s=0.0,
        end_s=None,
        text=clip.text,
        split=clip.split,
        frames=0,
        duration_s=0.0,
        has_vision=False,
        has_audio=False,
        **label_targets(corpus, clip),
        dialogue=clip.dialogue,
        position=clip.position,
        speaker=clip.speaker,
    )
