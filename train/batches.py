"""Reads the batches of training and validation from the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from semanticmac.cache.batch import Batch, Tokenize
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.train.augment import drop_modalities, dropout_draw
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.distributed import DistributedContext
from semanticmac.train.sampler import BatchSampler, chunks, pad_to_bucket


@dataclass(frozen=True)
class TrainBatch:
    """One batch of all processes together, and the share of this process."""

    rows: Sequence[int]  # positions of all its clips in the train split
    clip_ids: Sequence[str]  # of all its clips
    local: Batch


@dataclass(frozen=True)
class BatchReader:
    """Reads this process's share of each batch, padded and augmented as the settings say."""

    config: TrainConfig
    data: TrainData
    tokenize: Tokenize
    distributed: DistributedContext
    pin_memory: bool

    @property
    def sampler(self) -> BatchSampler:
        config = self.config
        return BatchSampler(len(self.data.train), config.batch_size, config.accumulate, config.seed)

    def train_steps(self, epoch: int, finished_steps: int) -> Iterator[list[TrainBatch]]:
        """The batches of each step of an epoch that is not finished yet."""
        config, train = self.config, self.data.train
        steps = self.sampler.steps(epoch)[finished_steps:]
        shares = [self.distributed.share(rows) for rows in chain.from_iterable(steps)]
        dropout = dropout_draw(len(train), config.seed, epoch)
        local_batches = iter(self._read(train, shares))
        for step in steps:
            batches = []
            for rows in step:
                local = next(local_batches)
                if config.modality_dropout:
                    rate, modalities = config.modality_dropout, config.model.modalities
                    local = drop_modalities(local, rate, dropout, modalities)
                clip_ids = [train.rows[row].clip_id for row in rows]
                batches.append(TrainBatch(rows, clip_ids, local))
            yield batches

    def validation(self) -> Iterator[Batch]:
        """This process's part of the validation clips, in their order."""
        valid = self.data.valid
        return self._read(valid, chunks(self.distributed.part(len(valid)), self.config.batch_size))

    def longest_texts(self) -> TrainBatch:
        """A batch of this process's size with the longest texts of the train split."""
        train = self.data.train
        by_length = sorted(range(len(train)), key=self._text_length, reverse=True)
        count = max(1, self.config.batch_size // self.distributed.world_size)
        rows = by_length[:count]
        [local] = self._read(train, [rows])
        return TrainBatch(rows, local.clip_ids, local)

    def _text_length(self, row: int) -> int:
        train = self.data.train
        length = len(train.rows[row].text)
        for clip in train.context_rows[row] if train.context_rows is not None else ():
            length += len(clip.text)
        return length

    def _read(self, dataset: ClipDataset, batches: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """batches: clip positions in the dataset."""
        model = self.config.model
        reader = make_dataloader(
            dataset,
            self.config.batch_size,
            self.tokenize,
            self.data.task.width,
            batches=batches,
            pin_memory=self.pin_memory,
        )
        for batch in reader:
            yield pad_to_bucket(batch, model.max_tokens) if self.config.compile else batch
