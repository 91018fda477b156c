"""Reads the batches of training and validation from the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import torch

from semanticmac.cache.batch import Batch, Tokenize
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.cache.dialogue_dataset import DialogueDataset
from semanticmac.eval.missing.tokens import read_once, substitute_of
from semanticmac.train.augment import Corruption, ModalityDropout
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.distributed import DistributedContext
from semanticmac.train.sampler import BatchSampler, chunks, pad_to_bucket
from semanticmac.train.train_batch import TrainBatch as TrainBatch


@dataclass(frozen=True)
class BatchReader:
    """Reads this process's share of each batch, padded and augmented as the settings say."""

    config: TrainConfig
    data: TrainData
    tokenize: Tokenize
    distributed: DistributedContext
    device: torch.device  # of the model; batches for a GPU are made in pinned memory

    @property
    def train_items(self) -> ClipDataset | DialogueDataset:
        """What the sampler draws: the train clips, or the dialogues for a model that reads them."""
        return self.data.train_dialogues or self.data.train

    @property
    def valid_items(self) -> ClipDataset | DialogueDataset:
        return self.data.valid_dialogues or self.data.valid

    @property
    def sampler(self) -> BatchSampler:
        config = self.config
        items = len(self.train_items)
        return BatchSampler(items, config.batch_size, config.accumulate, config.seed)

    def train_steps(self, epoch: int, finished_steps: int) -> Iterator[list[TrainBatch]]:
        """The batches of each step of an epoch that is not finished yet."""
        train, items = self.data.train, self.train_items
        steps = self.sampler.steps(epoch)[finished_steps:]
        shares = [self.distributed.share(batch) for batch in chain.from_iterable(steps)]
        dropout = self._dropout(epoch)
        local_batches = iter(self._read_train(epoch, shares))
        for step in steps:
            batches = []
            for batch in step:
                scored = [items.scored_rows(item) for item in batch]
                rows = list(chain.from_iterable(scored))
                clip_ids = [train.rows[row].clip_id for row in rows]
                sizes = self.distributed.share_totals([len(part) for part in scored])
                batches.append(TrainBatch(rows, clip_ids, next(local_batches), dropout, sizes))
            yield batches

    def _read_train(self, epoch: int, batches: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Train clips or dialogues, without what `corrupt` drops in this epoch."""
        config, items = self.config, self.train_items
        if config.corrupt == "none":
            return self._read(items, batches)
        substitute = substitute_of(self.tokenize, config.corrupt_words)
        corruption = Corruption(config.corrupt, config.corrupt_rate, config.seed, epoch, substitute)
        reader = replace(self, tokenize=read_once(self.tokenize))
        return reader._read(items.corrupted(corruption), batches)

    def validation(self) -> Iterator[Batch]:
        """This process's part of the validation clips, in their order, or dialogue by dialogue."""
        valid = self.valid_items
        return self._read(valid, chunks(self.distributed.part(len(valid)), self.config.batch_size))

    def longest_texts(self) -> TrainBatch:
        """A batch of this process's size with the longest texts of the train split."""
        items = self.train_items
        by_length = sorted(range(len(items)), key=items.text_length, reverse=True)
        count = max(1, self.config.batch_size // self.distributed.world_size)
        batch = by_length[:count]
        [local] = self._read(items, [batch])
        rows = list(chain.from_iterable(items.scored_rows(item) for item in batch))
        return TrainBatch(rows, local.clip_ids, local)

    def _dropout(self, epoch: int) -> ModalityDropout | None:
        config = self.config
        if not config.modality_dropout:
            return None
        return ModalityDropout.of_epoch(
            len(self.data.train),
            config.seed,
            epoch,
            config.modality_dropout,
            config.model.modalities,
            self.device,
        )

    def _read(
        self, dataset: ClipDataset | DialogueDataset, batches: Sequence[Sequence[int]]
    ) -> Iterator[Batch]:
        """batches: positions in the dataset."""
        pad = None
        if self.config.compile:
            pad = partial(pad_to_bucket, max_tokens=self.config.model.max_tokens)
        return iter(
            make_dataloader(
                dataset,
                self.config.batch_size,
                self.tokenize,
                self.data.task.width,
                batches=batches,
                pin_memory=self.device.type == "cuda",
                pad=pad,
            )
        )
