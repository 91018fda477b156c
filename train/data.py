"""What training may see of a cached dataset: the labelled clips of two splits, and what settings follow from them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.embedding_store import CacheIncomplete, EmbeddingReader
from semanticmac.cache.layout import CacheLayout, cache_command
from semanticmac.cache.manifest import Manifest
from semanticmac.core import Task
from semanticmac.train.config import Precision, TrainConfig

CPU = torch.device("cpu")


class TrainError(Exception):
    """Training cannot start or cannot go on; the message says why."""


@dataclass(frozen=True)
class TrainData:
    """The labelled clips of the two splits that training may see."""

    task: Task
    manifest: Manifest
    train: ClipDataset
    valid: ClipDataset

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that some train clip has.

        What no clip shows cannot be learned, and would be noise at prediction.
        """
        rows = self.train.rows
        has = {
            "text": any(row.text.strip() for row in rows),
            "audio": any(row.has_audio for row in rows),
            "vision": any(row.has_vision for row in rows),
        }
        return tuple(name for name, there in has.items() if there)

    @property
    def digest(self) -> str:
        """SHA-256, hex, of everything that training reads of its clips: another one is other data."""
        seen = hashlib.sha256(self.manifest.fingerprint.to_json().encode())
        for split in (self.train, self.valid):
            for row, before in zip(split.rows, split.before or [()] * len(split), strict=True):
                context = [(one.clip_id, one.key, one.text) for one in before]
                seen.update(repr((row.clip_id, row.key, row.text, row.label, context)).encode())
        return seen.hexdigest()


def open_data(layout: CacheLayout, dataset: str) -> TrainData:
    """The labelled train and validation clips of a cached dataset.

    Raises TrainError where there are none.
    """
    manifest = Manifest.read(layout.manifest(dataset))
    if manifest.task is None:
        again = cache_command(dataset, manifest.corpus, manifest.fingerprint)
        labelled = " or ".join(_labelled(layout))
        raise TrainError(
            f"{dataset} has no labels: it can be cached and predicted, not trained. Give the clips.csv in its folder a "
            f"`label` column (docs/datasets/folder.md) and run `{again}`"
            f"{f', or train on one that has labels: --dataset {labelled}' if labelled else ''}."
        )
    reader = EmbeddingReader(layout.embeddings(manifest.fingerprint), manifest.fingerprint)
    splits = {}
    for name in ("train", "valid"):
        rows = [row for row in manifest.split(name) if row.label is not None]
        if not rows:
            raise TrainError(
                f"{dataset} has no labelled clips in its {name} split, and training needs both train and valid: "
                f"see `semanticmac inspect {dataset}`, and check the split column of its labels."
            )
        splits[name] = ClipDataset(manifest, reader, rows)
    return TrainData(manifest.task, manifest, **splits)


def _labelled(layout: CacheLayout) -> list[str]:
    """Names of the cached datasets that can be trained on, the one built last first."""
    found = []
    for name in layout.datasets():
        with suppress(CacheIncomplete):  # a damaged one is none of them
            if Manifest.read(layout.manifest(name)).task is not None:
                found.append(name)
    return found


def resolve(config: TrainConfig, data: TrainData, device: torch.device = CPU) -> TrainConfig:
    """The settings with what the cache decides (widths, the modalities that train clips have) and the device.

    Raises TrainError for settings that this dataset cannot have.
    """
    if config.class_weights == "balanced" and data.task.kind == "regression":
        raise TrainError(
            "class_weights=balanced needs classes, but the task is regression: use class_weights=none"
        )
    seen = tuple(name for name in config.model.modalities if name in data.modalities)
    if not seen:
        asked, there = (
            ",".join(config.model.modalities),
            " and ".join(data.modalities) or "nothing at all",
        )
        raise TrainError(
            f"modalities={asked}: the train clips of {data.manifest.dataset} have {there}"
        )
    outputs, width = data.task.width, data.manifest.fingerprint.width
    model = replace(config.model, outputs=outputs, embedding_width=width, modalities=seen)
    return replace(config, precision=_precision(config.precision, device), model=model)


def _precision(asked: Precision, device: torch.device) -> Precision:
    if asked != "auto":
        return asked
    return (
        "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"
    )


def in_setting(data: TrainData, clips_before: int) -> TrainData:
    """The same clips with those of their dialogue before them.

    Raises TrainError where no train clip has any.
    """
    if not clips_before:
        return data
    train, valid = data.train.with_context(clips_before), data.valid.with_context(clips_before)
    if not any(train.before or ()):
        raise TrainError(
            f"setting=conversation: no train clip of {data.manifest.dataset} has a clip before it in its dialogue. "
            "The dataset needs a dialogue and a position for each clip; use setting=utterance."
        )
    return replace(data, train=train, valid=valid)
