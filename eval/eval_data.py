"""EvalData: a trained model with the cache that it is scored on, checked to belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from semanticmac.cache.batch import Batch, Corrupt
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.cache.dialogue_dataset import DialogueDataset
from semanticmac.cache.folds import with_fold
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import StreamReader, open_with
from semanticmac.cache.rebuild import cache_command
from semanticmac.cache.streams import Streams
from semanticmac.core import SPLITS
from semanticmac.eval.missing.tokens import read_once
from semanticmac.eval.predict import predict
from semanticmac.run.dialogues import window_size
from semanticmac.run.folder import RunError
from semanticmac.run.predictions import Predictions
from semanticmac.run.weights import TrainedModel

# They affect speed only: padding never changes a result.
BATCH_CLIPS = 64
BATCH_DIALOGUES = 8


@dataclass(frozen=True)
class EvalData:
    """The input of all scores and analyses."""

    trained: TrainedModel
    layout: CacheLayout
    manifest: Manifest
    reader: StreamReader
    device: torch.device
    notes: tuple[str, ...] = ()  # names the clips that an encoder refused

    @classmethod
    def open(cls, trained: TrainedModel, layout: CacheLayout, device: torch.device) -> EvalData:
        """The splits are those of the model's fold, where it was trained on one.

        Raises CacheIncomplete where the cache lacks a stream of the model.
        """
        info = trained.info
        command = cache_command(info.dataset, info.corpus, info.streams)
        opened = open_with(layout, layout.require(info.dataset, command), info.streams)
        manifest = with_fold(opened.manifest, info.fold)
        return cls(trained, layout, manifest, opened.reader, device, opened.notes)

    @property
    def streams(self) -> Streams:
        """The embeddings that the model reads."""
        return self.reader.streams

    def rows(self, split: str) -> tuple[Row, ...]:
        """The clips of a split.

        Raises RunError for an unknown split, and where no clip of the split has a label.
        """
        if split not in SPLITS:
            raise RunError(
                f"there is no split {split!r}: expected {', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
            )
        rows = self.manifest.split(split)
        if all(row.label is None for row in rows):
            raise RunError(
                f"{self.manifest.dataset} has no labelled clips in its {split} split: "
                "nothing to score"
            )
        return rows

    def batches(self, rows: Sequence[Row], corrupt: Corrupt | None = None) -> Iterator[Batch]:
        """These clips, padded and tokenised as in training, in their order.

        For a model that reads dialogues: the dialogues in which they are scored, one after the
        other. corrupt: drops parts of each clip first.
        """
        info, tokenize = self.trained.info, self.trained.tokenize
        clips = ClipDataset(self.manifest, self.reader, rows, info.model.clips_before)
        if corrupt is not None:
            clips = clips.corrupted(corrupt)
            tokenize = read_once(tokenize)
        if info.model.reads_dialogues:
            dialogues = DialogueDataset(clips, window_size(info.model))
            yield from make_dataloader(dialogues, BATCH_DIALOGUES, tokenize, info.task.width)
        else:
            yield from make_dataloader(clips, BATCH_CLIPS, tokenize, info.task.width)

    def predict(
        self,
        rows: Sequence[Row],
        without: Sequence[str] = (),
        change: Callable[[Batch], Batch] | None = None,
        corrupt: Corrupt | None = None,
    ) -> Predictions:
        """Predictions of these clips; `corrupt` changes each clip first, `change` each batch."""
        batches = self.batches(rows, corrupt)
        changed = batches if change is None else map(change, batches)
        predictions = predict(self.trained.model, changed, self.device, without)
        return predictions.ordered([row.clip_id for row in rows])

    def train_truth(self) -> np.ndarray:
        """(M, K) labels of the train clips, for the constant baselines."""
        labels = []
        for row in self.manifest.split("train"):
            if row.label is not None:
                labels.append(row.label)
        return np.array(labels)
