"""ClipDataset and Batch: what stage 2 reads, padded, with masks in which True means real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.shards import CacheIncomplete, EmbeddingReader


class Tokens(Protocol):
    """What a tokenizer returns for B texts; a text that is empty has no True in its mask row."""

    @property
    def ids(self) -> Tensor: ...  # (B, L) int64
    @property
    def mask(self) -> Tensor: ...  # (B, L) bool


Tokenize = Callable[[Sequence[str]], Tokens]


@dataclass(frozen=True)
class NoTokens:
    """The tokens of texts that nobody reads."""

    ids: Tensor
    mask: Tensor


def no_text(texts: Sequence[str]) -> NoTokens:
    """A `Tokenize` for models that do not look at text: every text is absent."""
    return NoTokens(torch.zeros(len(texts), 1, dtype=torch.int64), torch.zeros(len(texts), 1, dtype=torch.bool))


@dataclass(frozen=True)
class Sample:
    """One clip. vision and audio are read-only views of the cache, or None where the clip has none."""

    clip_id: str
    row: int  # position in the split, which is the clip's row in the pseudo-label banks
    text: str
    vision: np.ndarray | None  # (F, E) float16
    audio: np.ndarray | None
    label: list[float] | None


@dataclass(frozen=True)
class Batch:
    """B clips. A modality is absent in a clip where its whole mask row is False."""

    clip_ids: tuple[str, ...]
    rows: Tensor  # (B,) int64
    token_ids: Tensor  # (B, L) int64
    token_mask: Tensor  # (B, L) bool
    vision: Tensor  # (B, F, E) float32, zero where masked
    vision_mask: Tensor  # (B, F) bool
    audio: Tensor  # (B, F, E) float32
    audio_mask: Tensor  # (B, F) bool
    labels: Tensor  # (B, K) float32, NaN = not labelled

    def __len__(self) -> int:
        return len(self.clip_ids)

    def to(self, device: torch.device) -> Batch:
        """The same batch with every tensor on another device."""
        moved: dict[str, Any] = {
            f.name: value.to(device, non_blocking=True)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


class ClipDataset(Dataset[Sample]):
    """The clips of one split, read from the cache alone."""

    def __init__(self, manifest: Manifest, reader: EmbeddingReader, rows: Sequence[Row]) -> None:
        """Raises CacheIncomplete where a clip of the manifest has no embeddings."""
        missing = [row.clip_id for row in rows if row.key not in reader]
        if missing:
            raise CacheIncomplete(
                f"{len(missing)} clips of {manifest.dataset} have no embeddings in {reader.folder}, the first is "
                f"{missing[0]}: run `semanticmac cache {manifest.dataset}` again; it adds what is missing."
            )
        self.rows = tuple(rows)
        self._reader = reader

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        row = self.rows[index]
        embeddings = self._reader.get(row.key)
        return Sample(row.clip_id, index, row.text, embeddings.vision, embeddings.audio, row.label)

    def labels(self, width: int) -> Tensor:
        """The targets of every clip, (N, K) float32, NaN = not labelled."""
        return _targets([row.label for row in self.rows], width)


def collate(samples: Sequence[Sample], tokenize: Tokenize, label_width: int, embedding_width: int) -> Batch:
    """Pads B clips to the longest of them."""
    tokens = tokenize([sample.text for sample in samples])
    frames = max(1, *(len(clip) for s in samples for clip in (s.vision, s.audio) if clip is not None), 1)
    vision, vision_mask = _pad([sample.vision for sample in samples], frames, embedding_width)
    audio, audio_mask = _pad([sample.audio for sample in samples], frames, embedding_width)
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
    )


def _pad(clips: Sequence[np.ndarray | None], frames: int, width: int) -> tuple[Tensor, Tensor]:
    padded = torch.zeros(len(clips), frames, width)  # (B, F, E)
    mask = torch.zeros(len(clips), frames, dtype=torch.bool)  # (B, F)
    for i, clip in enumerate(clips):
        if clip is not None:
            padded[i, : len(clip)] = torch.from_numpy(clip.astype(np.float32))
            mask[i, : len(clip)] = True
    return padded, mask


def _targets(labels: Sequence[list[float] | None], width: int) -> Tensor:
    return torch.tensor([label if label is not None else [float("nan")] * width for label in labels]).reshape(-1, width)


def loader(
    dataset: ClipDataset,
    batch_size: int,
    tokenize: Tokenize,
    label_width: int,
    embedding_width: int,
    shuffle: torch.Generator | None = None,
) -> DataLoader[Sample]:
    """Batches of a split, in its order or, with a generator, in a new random order each time it is iterated."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=shuffle is not None,
        generator=shuffle,
        collate_fn=partial(collate, tokenize=tokenize, label_width=label_width, embedding_width=embedding_width),
    )
