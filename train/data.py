"""The labelled clips that training reads, and the settings that follow from them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.embedding_store import EmbeddingReader
from semanticmac.cache.layout import CacheIncomplete, CacheLayout, cache_command
from semanticmac.cache.manifest import Manifest
from semanticmac.core import Task
from semanticmac.train.config import Precision, TrainConfig

CPU = torch.device("cpu")


class TrainError(Exception):
    """Training cannot start or cannot continue; the message says why."""


@dataclass(frozen=True)
class TrainData:
    """The labelled clips of the train and validation splits."""

    task: Task
    manifest: Manifest
    train: ClipDataset
    valid: ClipDataset

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that at least one train clip has.

        A modality that no clip has cannot be learned, and would add noise to predictions.
        """
        has_text = has_audio = has_vision = False
        for row in self.train.rows:
            has_text |= bool(row.text.strip())
            has_audio |= row.has_audio
            has_vision |= row.has_vision
        present = zip(("text", "audio", "vision"), (has_text, has_audio, has_vision), strict=True)
        return tuple(name for name, is_present in present if is_present)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that training reads. It changes if any of it changes."""
        sha = hashlib.sha256(self.manifest.fingerprint.to_json().encode())
        for split in (self.train, self.valid):
            for row, before in zip(
                split.rows, split.context_rows or [()] * len(split), strict=True
            ):
                context = [(clip.clip_id, clip.key, clip.text) for clip in before]
                sha.update(repr((row.clip_id, row.key, row.text, row.label, context)).encode())
        return sha.hexdigest()


def open_data(layout: CacheLayout, dataset: str) -> TrainData:
    """The labelled train and validation clips of a cached dataset.

    Raises TrainError if there are none.
    """
    manifest = Manifest.read(layout.manifest(dataset))
    if manifest.task is None:
        raise TrainError(_no_labels(layout, manifest))
    reader = EmbeddingReader(layout.embeddings(manifest.fingerprint), manifest.fingerprint)
    splits = {}
    for name in ("train", "valid"):
        rows = [row for row in manifest.split(name) if row.label is not None]
        if not rows:
            raise TrainError(
                f"{dataset} has no labelled clips in its {name} split, and training needs both "
                f"train and valid: see `semanticmac inspect {dataset}`, and check the split column "
                "of its labels."
            )
        splits[name] = ClipDataset(manifest, reader, rows)
    return TrainData(manifest.task, manifest, **splits)


def _no_labels(layout: CacheLayout, manifest: Manifest) -> str:
    """The error message for a dataset without labels. It names the cached datasets with labels."""
    again = cache_command(manifest.dataset, manifest.corpus, manifest.fingerprint)
    labelled = []
    for name in layout.datasets():
        with suppress(CacheIncomplete):  # A damaged dataset cannot be trained on.
            if Manifest.read(layout.manifest(name)).task is not None:
                labelled.append(name)
    message = (
        f"{manifest.dataset} has no labels: it can be cached and predicted, not trained. Give the "
        "clips.csv in its folder a `label` column (docs/datasets/folder.md) and run "
        f"`{again}`"
    )
    if labelled:
        message += f", or train on one that has labels: --dataset {' or '.join(labelled)}"
    return message + "."


def resolve(config: TrainConfig, data: TrainData, device: torch.device = CPU) -> TrainConfig:
    """Fills in what the cache decides (widths, modalities of the train clips) and the precision.

    Raises TrainError for settings that do not fit this dataset.
    """
    if config.class_weights == "balanced" and data.task.kind == "regression":
        raise TrainError(
            "class_weights=balanced needs classes, but the task is regression: "
            "use class_weights=none"
        )
    modalities = tuple(name for name in config.model.modalities if name in data.modalities)
    if not modalities:
        available = " and ".join(data.modalities) or "nothing at all"
        raise TrainError(
            f"modalities={','.join(config.model.modalities)}: the train clips of "
            f"{data.manifest.dataset} have {available}"
        )
    model = replace(
        config.model,
        outputs=data.task.width,
        vision_width=data.train.widths.vision,
        audio_width=data.train.widths.audio,
        modalities=modalities,
    )
    return replace(config, precision=_precision(config.precision, device), model=model)


def _precision(asked: Precision, device: torch.device) -> Precision:
    if asked != "auto":
        return asked
    if device.type == "cuda" and torch.cuda.is_bf16_supported(False):
        return "bfloat16"
    return "float32"


def with_dialogue(data: TrainData, clips_before: int) -> TrainData:
    """The same clips, each with so many clips of its dialogue before it.

    Raises TrainError if no train clip has a clip before it.
    """
    if not clips_before:
        return data
    train, valid = data.train.with_context(clips_before), data.valid.with_context(clips_before)
    if not any(train.context_rows or ()):
        raise TrainError(
            f"setting=conversation: no train clip of {data.manifest.dataset} has a clip before it "
            "in its dialogue. The dataset needs a dialogue and a position for each clip; use "
            "setting=utterance."
        )
    return replace(data, train=train, valid=valid)
