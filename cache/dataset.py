"""ClipDataset and Batch: what stage 2 reads, padded, with masks in which True means real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from semanticmac.cache.dialogue import ContextClip, context_text, preceding_rows
from semanticmac.cache.embedding_store import CacheIncomplete, EmbeddingReader
from semanticmac.cache.layout import cache_command
from semanticmac.cache.manifest import Manifest, Row


class Tokens(Protocol):
    """What a tokenizer returns for B texts; a text that is empty has no True in its mask row."""

    @property
    def ids(self) -> Tensor: ...  # (B, L) int64
    @property
    def mask(self) -> Tensor: ...  # (B, L) bool
    @property
    def types(
        self,
    ) -> Tensor | None: ...  # (B, L) int64 segment of each token, where the tokenizer tells them


class Tokenize(Protocol):
    """Texts, or in the conversation setting pairs (context, text), → Tokens."""

    def __call__(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Tokens: ...


@dataclass(frozen=True)
class NoTokens:
    """The tokens of texts that nobody reads."""

    ids: Tensor
    mask: Tensor
    types: None = None


def no_text(texts: Sequence[str], contexts: Sequence[str] | None = None) -> NoTokens:
    """A `Tokenize` for models that do not look at text: every text is absent."""
    return NoTokens(
        torch.zeros(len(texts), 1, dtype=torch.int64), torch.zeros(len(texts), 1, dtype=torch.bool)
    )


@dataclass(frozen=True)
class Sample:
    """One clip.

    vision and audio are read-only views of the cache, or None where the clip has none.
    """

    clip_id: str
    row: int  # position in the split, which is the clip's row in the pseudo-label banks
    text: str
    vision: np.ndarray | None  # (F, E) float16
    audio: np.ndarray | None
    label: list[float] | None
    # the clips before it, oldest first; None in the utterance setting
    context: tuple[ContextClip, ...] | None = None


@dataclass(frozen=True)
class Batch:
    """B clips. A modality is absent in a clip where its whole mask row is False.

    In the conversation setting each row holds the clips before the target too: text as a pair,
    frames before frames. A modality is then absent where neither the target nor the clips before it
    have it.
    """

    clip_ids: tuple[str, ...]
    rows: Tensor  # (B,) int64
    token_ids: Tensor  # (B, L) int64
    token_mask: Tensor  # (B, L) bool
    vision: Tensor  # (B, F, E) float32, zero where masked
    vision_mask: Tensor  # (B, F) bool
    audio: Tensor  # (B, F, E) float32
    audio_mask: Tensor  # (B, F) bool
    labels: Tensor  # (B, K) float32, NaN = not labelled
    # (B, L) int64, conversation setting, where the tokenizer tells segments
    token_types: Tensor | None = None
    # (B, F) bool, conversation setting, True = frame of a clip before the target
    frame_context: Tensor | None = None

    def __len__(self) -> int:
        return len(self.clip_ids)

    def to(self, device: torch.device) -> Batch:
        """The same batch with every tensor on another device."""
        return self._changed(lambda value: value.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same batch in memory that a GPU reads while the program goes on; a DataLoader calls this."""
        return self._changed(Tensor.pin_memory)

    def _changed(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with something done to every tensor."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {
            name: change(value) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, **changed)

    def keep(self, kept: Tensor) -> Batch:
        """The same clips with some modalities made absent: kept (B, 3) bool in the order of MODALITIES."""
        text, audio, vision = kept[:, :, None].unbind(1)  # (B, 1) each
        return replace(
            self,
            token_mask=self.token_mask & text,
            audio_mask=self.audio_mask & audio,
            vision_mask=self.vision_mask & vision,
        )


class ClipDataset(Dataset[Sample]):
    """The clips of one split, read from the cache alone."""

    def __init__(
        self,
        manifest: Manifest,
        reader: EmbeddingReader,
        rows: Sequence[Row],
        context_clips: int = 0,
    ) -> None:
        """context_clips: how many clips of the dialogue come before each clip; 0 = the utterance setting.

        Raises CacheIncomplete where a clip of the manifest has no embeddings.
        """
        self.before = preceding_rows(manifest.rows, rows, context_clips) if context_clips else None
        needed = {row.clip_id: row.key for row in (*rows, *chain.from_iterable(self.before or ()))}
        missing = [clip_id for clip_id, key in needed.items() if key not in reader]
        if missing:
            command = cache_command(manifest.dataset, manifest.corpus, manifest.fingerprint)
            raise CacheIncomplete(
                f"{len(missing)} clips of {manifest.dataset} have no embeddings in {reader.folder}, the first is "
                f"{missing[0]}. `{command}` adds what is missing."
            )
        self.rows = tuple(rows)
        self._manifest, self._reader = manifest, reader

    def with_context(self, context_clips: int) -> ClipDataset:
        """The same clips with so many of their dialogue before each; 0 = the utterance setting."""
        return ClipDataset(self._manifest, self._reader, self.rows, context_clips)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        row = self.rows[index]
        embeddings = self._reader.get(row.key)
        context = None if self.before is None else tuple(map(self._read_before, self.before[index]))
        return Sample(
            row.clip_id, index, row.text, embeddings.vision, embeddings.audio, row.label, context
        )

    def _read_before(self, row: Row) -> ContextClip:
        embeddings = self._reader.get(row.key)
        return ContextClip(row.text, embeddings.vision, embeddings.audio)

    def texts(self) -> tuple[list[str], list[str] | None]:
        """What is said in every clip, and what was said before it; None in the utterance setting."""
        return [row.text for row in self.rows], None if self.before is None else list(
            map(context_text, self.before)
        )

    def labels(self, width: int) -> Tensor:
        """The targets of every clip, (N, K) float32, NaN = not labelled."""
        return _targets([row.label for row in self.rows], width)


def collate(
    samples: Sequence[Sample], tokenize: Tokenize, label_width: int, embedding_width: int
) -> Batch:
    """Pads B clips to the longest of them, with what comes before each in the conversation setting."""
    texts = [sample.text for sample in samples]
    conversation = any(sample.context is not None for sample in samples)
    said_before = (
        [[context_text(sample.context or ()) for sample in samples]] if conversation else []
    )
    tokens = tokenize(texts, *said_before)
    clips = [timeline(sample) for sample in samples]
    frames = max([1, *(row[-1][2] for row in clips)])
    pictures = [[(start, clip.vision) for clip, start, _ in row] for row in clips]
    sounds = [[(start, clip.audio) for clip, start, _ in row] for row in clips]
    vision, vision_mask = _pad(pictures, frames, embedding_width)
    audio, audio_mask = _pad(sounds, frames, embedding_width)
    target_start = torch.tensor([row[-1][1] for row in clips])  # (B,)
    return Batch(
        clip_ids=tuple(sample.clip_id for sample in samples),
        rows=torch.tensor([sample.row for sample in samples]),
        token_ids=tokens.ids,
        token_mask=tokens.mask,
        vision=vision,
        vision_mask=vision_mask,
        audio=audio,
        audio_mask=audio_mask,
        labels=_targets([sample.label for sample in samples], label_width),
        token_types=tokens.types if conversation else None,
        frame_context=torch.arange(frames)[None] < target_start[:, None] if conversation else None,
    )


def timeline(sample: Sample) -> list[tuple[Sample | ContextClip, int, int]]:
    """The clips before the target, then the target: (clip, its first frame, the frame after its last).

    Both modalities of a clip start at the same frame: one that the clip lacks leaves a gap, so that
    they stay aligned.
    """
    placed: list[tuple[Sample | ContextClip, int, int]] = []
    clips: tuple[Sample | ContextClip, ...] = (*(sample.context or ()), sample)
    start = 0
    for clip in clips:
        end = start + max(
            (len(frames) for frames in (clip.vision, clip.audio) if frames is not None), default=0
        )
        placed.append((clip, start, end))
        start = end
    return placed


def _pad(
    rows: Sequence[Sequence[tuple[int, np.ndarray | None]]], frames: int, width: int
) -> tuple[Tensor, Tensor]:
    """Each row's clips with the frame at which each starts → (B, F, E) and its mask (B, F), True = real frame."""
    # Clips are copied as they are, and all of them made float32 at once.
    padded = np.zeros((len(rows), frames, width), np.float16)
    mask = np.zeros((len(rows), frames), np.bool_)
    for i, row in enumerate(rows):
        for start, clip in row:
            if clip is not None:
                padded[i, start : start + len(clip)] = clip
                mask[i, start : start + len(clip)] = True
    return torch.from_numpy(padded).float(), torch.from_numpy(mask)


def _targets(labels: Sequence[list[float] | None], width: int) -> Tensor:
    return torch.tensor(
        [label if label is not None else [float("nan")] * width for label in labels]
    ).reshape(-1, width)


def loader(
    dataset: ClipDataset,
    batch_size: int,
    tokenize: Tokenize,
    label_width: int,
    embedding_width: int,
    shuffle: torch.Generator | None = None,
    *,
    batches: Iterable[Sequence[int]] | None = None,
    workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Sample]:
    """Batches of a split, in its order or, with a generator, in a new random order each time it is iterated.

    batches: the places in the split of each batch's clips, instead of batch_size and shuffle.
    workers: processes that make batches ahead of their use, 0 = they are made when asked for.
    pin_memory: for training on a GPU, which then copies a batch while it computes. Neither changes
    a batch.
    """
    order: dict[str, Any] = {
        "batch_size": batch_size,
        "shuffle": shuffle is not None,
        "generator": shuffle,
    }
    return DataLoader(
        dataset,
        num_workers=workers,
        pin_memory=pin_memory,
        collate_fn=partial(
            collate, tokenize=tokenize, label_width=label_width, embedding_width=embedding_width
        ),
        **(order if batches is None else {"batch_sampler": batches}),
    )
