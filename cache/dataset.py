"""ClipDataset: the clips of one split, read from the cache alone, for torch, NumPy and pandas."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from semanticmac.cache.batch import (
    Batch,
    ClipInput,
    Corrupt,
    Sample,
    Tokenize,
    collate,
    label_matrix,
)
from semanticmac.cache.dialogue import ContextClip, context_text, preceding_rows
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import StreamReader
from semanticmac.cache.rebuild import cache_command
from semanticmac.cache.records import FrameWidths
from semanticmac.cache.streams import Streams

if TYPE_CHECKING:
    import datasets
    import pandas

    from semanticmac.cache.dialogue_dataset import DialogueDataset


@dataclass(frozen=True)
class ClipArrays:
    """N clips as NumPy arrays, from `ClipDataset.to_numpy`."""

    clip_ids: np.ndarray  # (N,) text
    texts: np.ndarray  # (N,) text
    labels: np.ndarray  # (N, K) float32, NaN = not labelled
    # one array (F, E) float16 per clip, read-only views of the cache; F = 0 where absent
    vision: list[np.ndarray]
    audio: list[np.ndarray]


class ClipDataset(Dataset[Sample]):
    """The clips of one split, in the order of the manifest; item i is a `Sample`."""

    def __init__(
        self, manifest: Manifest, reader: StreamReader, rows: Sequence[Row], context_clips: int = 0
    ) -> None:
        """context_clips: the most clips of the dialogue before each clip; 0 = utterance setting.

        Raises CacheIncomplete where a clip has no embeddings.
        """
        self.rows = tuple(rows)
        self.context_rows: list[tuple[Row, ...]] | None = None
        if context_clips:
            self.context_rows = preceding_rows(manifest.rows, rows, context_clips)
        self.manifest, self._reader = manifest, reader
        self._corrupt: Corrupt | None = None
        self._require_embeddings()

    def _require_embeddings(self) -> None:
        needed = list(self.rows)
        for before in self.context_rows or ():
            needed.extend(before)
        missing = {}
        for row in needed:
            if row.key not in self._reader:
                missing[row.clip_id] = row.key
        if missing:
            manifest = self.manifest
            first = next(iter(missing))
            streams = self._reader.lacking(missing[first])
            command = cache_command(manifest.dataset, manifest.corpus, streams)
            raise CacheIncomplete(
                f"{len(missing)} clips of {manifest.dataset} have no embeddings, the first is "
                f"{first} ({streams.describe()}). `{command}` adds what is missing."
            )

    def with_rows(self, rows: Sequence[Row]) -> ClipDataset:
        """Other clips of the same cache, without context."""
        return self._like(ClipDataset(self.manifest, self._reader, rows))

    def of_manifest(self, manifest: Manifest, rows: Sequence[Row]) -> ClipDataset:
        """Clips of another manifest over the same embeddings, without context."""
        return self._like(ClipDataset(manifest, self._reader, rows))

    def with_context(self, context_clips: int) -> ClipDataset:
        """The same clips with at most this many clips of their dialogue before each; 0 = none."""
        return self._like(ClipDataset(self.manifest, self._reader, self.rows, context_clips))

    def _like(self, other: ClipDataset) -> ClipDataset:
        """The other clips, without what is dropped here too."""
        other._corrupt = self._corrupt
        return other

    def corrupted(self, corrupt: Corrupt) -> ClipDataset:
        """The same clips without what `corrupt` drops, in the clips and in their context."""
        changed = copy(self)
        changed._corrupt = corrupt
        return changed

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def widths(self) -> FrameWidths:
        """Numbers in one embedding of each modality."""
        return self._reader.widths

    @property
    def streams(self) -> Streams:
        """The streams that the embeddings come from."""
        return self._reader.streams

    def __getitem__(self, index: int) -> Sample:
        row = self.rows[index]
        clip = self._input(row)
        context = None
        if self.context_rows is not None:
            context = tuple(self._context_clip(before) for before in self.context_rows[index])
        return Sample(
            row.clip_id,
            index,
            clip.text,
            clip.vision,
            clip.audio,
            row.label,
            context,
            clip.vision_kept,
            clip.audio_kept,
        )

    def collate(self, samples: Sequence[Sample], tokenize: Tokenize, label_width: int) -> Batch:
        """These clips as one padded batch."""
        return collate(samples, tokenize, label_width, self.widths)

    def _context_clip(self, row: Row) -> ContextClip:
        clip = self._input(row)
        return ContextClip(clip.text, clip.vision, clip.audio, clip.vision_kept, clip.audio_kept)

    def _input(self, row: Row) -> ClipInput:
        embeddings = self._reader.get(row.key)
        clip = ClipInput(row.text, embeddings.vision, embeddings.audio)
        return clip if self._corrupt is None else self._corrupt(row.clip_id, clip)

    def scored_rows(self, index: int) -> list[int]:
        """The positions of the clips that item `index` scores: itself."""
        return [index]

    def text_length(self, index: int) -> int:
        """Characters of the text of a clip and of its context."""
        length = len(self.rows[index].text)
        for clip in self.context_rows[index] if self.context_rows is not None else ():
            length += len(clip.text)
        return length

    def texts(self) -> tuple[list[str], list[str] | None]:
        """The text of every clip and the text of its context; None in the utterance setting."""
        contexts = None
        if self.context_rows is not None:
            contexts = [context_text(before) for before in self.context_rows]
        return self._column("text"), contexts

    def labels(self, width: int) -> Tensor:
        """The targets of every clip, (N, K) float32, NaN = not labelled."""
        return label_matrix(self._column("label"), width)

    def _column(self, name: str) -> list[Any]:
        """One field of the manifest's rows, for every clip."""
        return [getattr(row, name) for row in self.rows]

    def to_numpy(self) -> ClipArrays:
        """All clips as NumPy arrays, with the embeddings as lists of arrays of any length.

        The embeddings are views of the cache and take no memory. Context clips are not included.
        """
        task = self.manifest.task
        no_vision = np.empty((0, self.widths.vision), np.float16)
        no_audio = np.empty((0, self.widths.audio), np.float16)
        vision, audio = [], []
        for row in self.rows:
            embeddings = self._reader.get(row.key)
            vision.append(no_vision if embeddings.vision is None else embeddings.vision)
            audio.append(no_audio if embeddings.audio is None else embeddings.audio)
        return ClipArrays(
            clip_ids=np.array(self._column("clip_id"), dtype=np.str_),
            texts=np.array(self._column("text"), dtype=np.str_),
            labels=self.labels(1 if task is None else task.width).numpy(),
            vision=vision,
            audio=audio,
        )

    def to_datasets(self) -> datasets.Dataset:
        """All clips as a `datasets.Dataset` over the memory-mapped shards; nothing is copied.

        Columns: clip_id, split, text, label, speaker, and the embeddings `vision` and `audio` as
        (F, E) lists of float16, null where absent (`vision_2` for a second stream). Context clips
        are not included. Raises ImportError where datasets is not installed.
        """
        try:
            import datasets
        except ImportError:
            raise ImportError(
                "to_datasets needs datasets, which is not installed: "
                "run `pip install 'semanticmac[datasets]'`"
            ) from None
        keys = self._column("key")
        columns: dict[str, Any] = {}
        for name in ("clip_id", "split", "text"):
            columns[name] = pa.array(self._column(name), pa.string())
        columns["label"] = pa.array(self._column("label"), pa.list_(pa.float64()))
        columns["speaker"] = pa.array(self._column("speaker"), pa.string())
        columns.update(self._reader.columns(keys))
        # Its own hash of the content would read and copy every shard.
        content = "\n".join([self.streams.identity(), *self._column("clip_id"), *keys])
        fingerprint = hashlib.sha256(content.encode()).hexdigest()[:16]
        return datasets.Dataset(pa.table(columns), fingerprint=fingerprint)

    def to_pandas(self) -> pandas.DataFrame:
        """One row per clip, without embeddings.

        Columns: clip_id, split, text; the label as `label` (score or binary class) or as one column
        `label_NAME` per class or score, NaN = not labelled; frames, duration_s, has_vision,
        has_audio, dialogue, position, speaker. Raises ImportError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "to_pandas needs pandas, which is not installed: "
                "run `pip install 'semanticmac[pandas]'`"
            ) from None
        columns: dict[str, Any] = {}
        for name in ("clip_id", "split", "text"):
            columns[name] = self._column(name)
        task = self.manifest.task
        labels = self.labels(1 if task is None else task.width).numpy()
        names = ["label"]
        if task is not None and task.width > 1:
            names = [f"label_{name}" for name in task.names]
        for column, name in enumerate(names):
            columns[name] = labels[:, column]
        for name in ("frames", "duration_s", "has_vision", "has_audio"):
            columns[name] = self._column(name)
        for name in ("dialogue", "position", "speaker"):
            columns[name] = self._column(name)
        return pandas.DataFrame(columns)


def make_dataloader(
    dataset: ClipDataset | DialogueDataset,
    batch_size: int,
    tokenize: Tokenize,
    label_width: int,
    shuffle: torch.Generator | None = None,
    *,
    batches: Iterable[Sequence[int]] | None = None,
    workers: int = 0,
    pin_memory: bool = False,
    pad: Callable[[Batch], Batch] | None = None,
) -> DataLoader[Any]:
    """Batches of a split, in its order or, with a generator, in a new random order in each epoch.

    With a DialogueDataset, each row of a batch is a dialogue: read "dialogue" for "clip" below.

    batches: positions of the clips of each batch, instead of batch_size and shuffle. workers:
    processes that make batches in advance; 0 = the calling process makes them. pin_memory: for
    training on a GPU, which then copies a batch while it computes. These two change no number.
    pad: pads each batch further, before it is pinned.
    """
    order: dict[str, Any] = {"batch_sampler": batches}
    if batches is None:
        order = {"batch_size": batch_size, "shuffle": shuffle is not None, "generator": shuffle}
    make_batch = partial(dataset.collate, tokenize=tokenize, label_width=label_width)
    if pad is not None:
        make_batch = partial(_padded, make_batch=make_batch, pad=pad)
    return DataLoader(
        dataset, num_workers=workers, pin_memory=pin_memory, collate_fn=make_batch, **order
    )


def _padded(
    samples: Sequence[Any],
    make_batch: Callable[[Sequence[Any]], Batch],
    pad: Callable[[Batch], Batch],
) -> Batch:
    return pad(make_batch(samples))
