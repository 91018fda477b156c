"""DialogueDataset: whole dialogues, or windows of long ones, read from the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.utils.data import Dataset

from semanticmac.cache.batch import Batch, Corrupt, DialogueLayout, Sample, Tokenize, collate
from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.manifest import Row
from semanticmac.cache.windows import Window, WindowSize, dialogue_windows


@dataclass(frozen=True)
class DialogueSample:
    """One window of a dialogue. The row of an utterance of another split is -1."""

    utterances: tuple[Sample, ...]
    speakers: tuple[int, ...]
    scored: tuple[bool, ...]


class DialogueDataset(Dataset[DialogueSample]):
    """The dialogues in which the clips of one split are scored; item i is a `DialogueSample`.

    Every clip of the split is scored in exactly one window. Other utterances of its dialogue are
    input: those without a label, those of other splits, and those that two windows share.
    """

    def __init__(self, clips: ClipDataset, size: WindowSize) -> None:
        """Raises CacheIncomplete where an utterance has no embeddings."""
        self.clips, self.size = clips, size
        self.windows = dialogue_windows(clips.manifest.rows, clips.rows, size)
        self._row_of = {row.clip_id: number for number, row in enumerate(clips.rows)}
        utterances: dict[str, Row] = {}
        for window in self.windows:
            for row in window.utterances:
                utterances[row.clip_id] = row
        self._utterances = clips.with_rows(tuple(utterances.values()))
        self._index = {clip_id: number for number, clip_id in enumerate(utterances)}

    def corrupted(self, corrupt: Corrupt) -> DialogueDataset:
        """The same dialogues without what `corrupt` drops."""
        return DialogueDataset(self.clips.corrupted(corrupt), self.size)

    def __len__(self) -> int:
        """The number of windows."""
        return len(self.windows)

    def scored_rows(self, index: int) -> list[int]:
        """The positions in the split of the clips that a window scores, in their order."""
        window = self.windows[index]
        rows = []
        for row, scored in zip(window.utterances, window.scored, strict=True):
            if scored:
                rows.append(self._row_of[row.clip_id])
        return rows

    def text_length(self, index: int) -> int:
        """Characters of all texts of a window."""
        return sum(len(row.text) for row in self.windows[index].utterances)

    def __getitem__(self, index: int) -> DialogueSample:
        window: Window = self.windows[index]
        utterances = []
        for row in window.utterances:
            sample = self._utterances[self._index[row.clip_id]]
            utterances.append(replace(sample, row=self._row_of.get(row.clip_id, -1)))
        return DialogueSample(tuple(utterances), window.speakers, window.scored)

    def collate(
        self, samples: Sequence[DialogueSample], tokenize: Tokenize, label_width: int
    ) -> Batch:
        """Pads the utterances of D dialogues; `Batch.dialogues` says which belong together."""
        flat: list[Sample] = []
        for sample in samples:
            flat += sample.utterances
        batch = collate(flat, tokenize, label_width, self.clips.widths)
        return replace(batch, dialogues=layout_of(samples))


def layout_of(samples: Sequence[DialogueSample]) -> DialogueLayout:
    """Where each utterance of these dialogues stands; U utterances one after the other."""
    dialogue: list[int] = []
    position: list[int] = []
    speaker: list[int] = []
    scored: list[bool] = []
    for number, sample in enumerate(samples):
        length = len(sample.utterances)
        dialogue += [number] * length
        position += range(length)
        speaker += sample.speakers
        scored += sample.scored
    return DialogueLayout(
        len(samples),
        max(len(sample.utterances) for sample in samples),
        torch.tensor(dialogue),
        torch.tensor(position),
        torch.tensor(speaker),
        torch.tensor(scored),
    )
