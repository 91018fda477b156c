"""Batch: clips padded to the longest of them, with masks in which True means real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from semanticmac.cache.dialogue import ContextClip, context_text
from semanticmac.cache.records import FrameWidths


class Tokens(Protocol):
    """The tokens of B texts. The mask row of an empty text has no True."""

    @property
    def ids(self) -> Tensor: ...  # (B, L) int64
    @property
    def mask(self) -> Tensor: ...  # (B, L) bool
    @property
    def types(self) -> Tensor | None: ...  # (B, L) int64 segment of each token; None: no segments


class Tokenize(Protocol):
    """Texts → Tokens. In the conversation setting it gets pairs (context, text)."""

    def __call__(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Tokens: ...


@dataclass(frozen=True)
class NoTokens:
    """Tokens for a model that does not read text."""

    ids: Tensor  # (B, 1) int64
    mask: Tensor  # (B, 1) bool
    types: None = None


def no_text(texts: Sequence[str], contexts: Sequence[str] | None = None) -> NoTokens:
    """A `Tokenize` for models without text: every text is absent."""
    shape = (len(texts), 1)
    return NoTokens(torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.bool))


@dataclass(frozen=True)
class ClipInput:
    """What a model reads of one clip. vision and audio are read-only views, None = absent."""

    text: str
    vision: np.ndarray | None  # (F, E_v) float16
    audio: np.ndarray | None  # (F, E_a) float16
    # (F,) bool, False = this frame was dropped; None = every frame is there
    vision_kept: np.ndarray | None = None
    audio_kept: np.ndarray | None = None


# Drops parts of a clip; the first argument is its clip_id.
Corrupt = Callable[[str, ClipInput], ClipInput]


@dataclass(frozen=True)
class Sample:
    """One clip. vision and audio are read-only views of the cache, None = absent."""

    clip_id: str
    row: int  # position in the split, which is also its row in the pseudo-label banks
    text: str
    vision: np.ndarray | None  # (F, E_v) float16
    audio: np.ndarray | None  # (F, E_a) float16
    label: list[float] | None
    # the clips before it, oldest first; None in the utterance setting
    context: tuple[ContextClip, ...] | None = None
    # (F,) bool, False = this frame was dropped; None = every frame is there
    vision_kept: np.ndarray | None = None
    audio_kept: np.ndarray | None = None


@dataclass(frozen=True)
class DialogueLayout:
    """Where each of the U utterances of a batch stands: they are rows of `Batch`, in order."""

    dialogues: int  # D
    longest: int  # N, utterances of the longest dialogue
    dialogue: Tensor  # (U,) int64 number of its dialogue
    position: Tensor  # (U,) int64 from 0 in its dialogue, without gaps
    speaker: Tensor  # (U,) int64 number of its speaker, by first appearance in the dialogue
    scored: Tensor  # (U,) bool, False = input alone

    def map(self, function: Callable[[Tensor], Tensor]) -> DialogueLayout:
        """The same layout with a function applied to every tensor."""
        return replace(
            self,
            dialogue=function(self.dialogue),
            position=function(self.position),
            speaker=function(self.speaker),
            scored=function(self.scored),
        )


@dataclass(frozen=True)
class Batch:
    """B clips. A modality is absent in a clip if its whole mask row is False.

    Where `dialogues` is given, the clips are the utterances of whole dialogues. A model then
    predicts those that are scored.

    In the conversation setting each row also holds the clips before the target: their text as the
    first part of a pair, their frames before those of the target. A modality is then absent if
    neither the target nor its context has it.
    """

    clip_ids: tuple[str, ...]
    rows: Tensor  # (B,) int64
    token_ids: Tensor  # (B, L) int64
    token_mask: Tensor  # (B, L) bool
    vision: Tensor  # (B, F, E_v) float32, zero where masked
    vision_mask: Tensor  # (B, F) bool
    audio: Tensor  # (B, F, E_a) float32
    audio_mask: Tensor  # (B, F) bool
    labels: Tensor  # (B, K) float32, NaN = not labelled
    # (B, L) int64 segments, in the conversation setting if the tokenizer has segments
    token_types: Tensor | None = None
    # (B, F) bool, in the conversation setting, True = frame of a clip before the target
    frame_context: Tensor | None = None
    dialogues: DialogueLayout | None = None  # of batches whose rows are dialogues

    def __len__(self) -> int:
        return len(self.clip_ids)

    def scored_clips(self) -> list[int]:
        """The positions of the clips that a model predicts; without dialogues all of them."""
        if self.dialogues is None:
            return list(range(len(self)))
        positions: list[int] = self.dialogues.scored.nonzero()[:, 0].tolist()
        return positions

    def to(self, device: torch.device) -> Batch:
        """The same batch with every tensor on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same batch in pinned memory, for copies to a GPU; a DataLoader calls this."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with a function applied to every tensor."""
        changed: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = function(value)
            elif isinstance(value, DialogueLayout):
                changed[field.name] = value.map(function)
        return replace(self, **changed)

    def keep(self, kept: Tensor) -> Batch:
        """The same clips with some modalities made absent: kept (B, 3) bool, as MODALITIES."""
        text, audio, vision = kept[:, :, None].unbind(1)  # (B, 1) each
        return replace(
            self,
            token_mask=self.token_mask & text,
            audio_mask=self.audio_mask & audio,
            vision_mask=self.vision_mask & vision,
        )


def collate(
    samples: Sequence[Sample], tokenize: Tokenize, label_width: int, widths: FrameWidths
) -> Batch:
    """Pads B clips, each with its context, to the longest of them."""
    texts, contexts, timelines, target_starts = [], [], [], []
    conversation, frames = False, 1
    for sample in samples:
        texts.append(sample.text)
        contexts.append(context_text(sample.context or ()))
        clips = timeline(sample)
        timelines.append(clips)
        target_starts.append(clips[-1].start)
        frames = max(frames, clips[-1].end)
        conversation = conversation or sample.context is not None

    tokens = tokenize(texts, contexts if conversation else None)
    padded = _pad(timelines, frames, widths)
    frame_context = None
    if conversation:
        starts = torch.tensor(target_starts)[:, None]  # (B, 1)
        frame_context = torch.arange(frames)[None] < starts  # (B, F)
    return Batch(
        clip_ids=tuple(sample.clip_id for sample in samples),
        rows=torch.tensor([sample.row for sample in samples]),
        token_ids=tokens.ids,
        token_mask=tokens.mask,
        vision=padded.vision,
        vision_mask=padded.vision_mask,
        audio=padded.audio,
        audio_mask=padded.audio_mask,
        labels=label_matrix([sample.label for sample in samples], label_width),
        token_types=tokens.types if conversation else None,
        frame_context=frame_context,
    )


@dataclass(frozen=True)
class PlacedClip:
    """One clip on the time line of a row: its frames are start … end − 1."""

    vision: np.ndarray | None
    audio: np.ndarray | None
    start: int
    end: int
    vision_kept: np.ndarray | None = None
    audio_kept: np.ndarray | None = None


def timeline(sample: Sample) -> list[PlacedClip]:
    """The clips before the target one after the other, then the target.

    Both modalities of a clip start at the same frame, so they stay aligned: the shorter one, or an
    absent one, leaves a gap.
    """
    clips: list[Sample | ContextClip] = [*(sample.context or ()), sample]
    placed = []
    start = 0
    for clip in clips:
        end = start
        for frames in (clip.vision, clip.audio):
            if frames is not None:
                end = max(end, start + len(frames))
        kept = (clip.vision_kept, clip.audio_kept)
        placed.append(PlacedClip(clip.vision, clip.audio, start, end, *kept))
        start = end
    return placed


@dataclass(frozen=True)
class _PaddedFrames:
    vision: Tensor  # (B, F, E_v) float32
    vision_mask: Tensor  # (B, F) bool, True = real frame
    audio: Tensor
    audio_mask: Tensor


def _pad(
    timelines: Sequence[Sequence[PlacedClip]], frames: int, widths: FrameWidths
) -> _PaddedFrames:
    """Copies the clips of each time line to their frames."""
    # Clips are copied as float16 and converted all at once.
    clips = len(timelines)
    vision = np.zeros((clips, frames, widths.vision), np.float16)
    audio = np.zeros((clips, frames, widths.audio), np.float16)
    vision_mask = np.zeros((clips, frames), np.bool_)
    audio_mask = np.zeros_like(vision_mask)
    for i, placed in enumerate(timelines):
        for clip in placed:
            _place(
                clip.vision, clip.vision_kept, vision[i, clip.start :], vision_mask[i, clip.start :]
            )
            _place(clip.audio, clip.audio_kept, audio[i, clip.start :], audio_mask[i, clip.start :])
    return _PaddedFrames(
        torch.from_numpy(vision).float(),
        torch.from_numpy(vision_mask),
        torch.from_numpy(audio).float(),
        torch.from_numpy(audio_mask),
    )


def _place(
    source: np.ndarray | None, kept: np.ndarray | None, frames: np.ndarray, mask: np.ndarray
) -> None:
    """Copies a clip to the first frames of a row. A dropped frame stays zero and masked."""
    if source is None:
        return
    count = len(source)
    if kept is None:
        frames[:count] = source
        mask[:count] = True
    else:
        frames[:count][kept] = source[kept]
        mask[:count] = kept


def label_matrix(labels: Sequence[list[float] | None], width: int) -> Tensor:
    """Targets of N clips as (N, K) float32, NaN = not labelled."""
    unlabelled = [float("nan")] * width
    rows = [unlabelled if label is None else label for label in labels]
    return torch.tensor(rows).reshape(-1, width)
