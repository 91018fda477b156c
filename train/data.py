"""The labelled clips that training reads, and the settings that follow from them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.dialogue_dataset import DialogueDataset
from semanticmac.cache.folds import FoldError
from semanticmac.cache.folds import with_fold as fold_manifest
from semanticmac.cache.keys import LAST
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.opening import OpenedDataset, open_cached, open_with
from semanticmac.cache.rebuild import cache_command
from semanticmac.cache.stream_catalogue import last_streams
from semanticmac.cache.streams import Streams
from semanticmac.core import Task
from semanticmac.model.config import ModelConfig
from semanticmac.model.output_units import units_of
from semanticmac.run.dialogues import window_size
from semanticmac.run.folder import RunInfo
from semanticmac.train.config import Precision, TrainConfig
from semanticmac.train.error import TrainError as TrainError

CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrainData:
    """The labelled clips of the train and validation splits."""

    task: Task
    manifest: Manifest
    train: ClipDataset
    valid: ClipDataset
    notes: tuple[str, ...] = ()  # names the clips that an encoder refused
    # The dialogues of both splits, for a model that reads dialogues (with_dialogue).
    train_dialogues: DialogueDataset | None = None
    valid_dialogues: DialogueDataset | None = None
    fold: str = ""  # the fold whose splits these are (with_fold); empty: those of the dataset

    @property
    def streams(self) -> Streams:
        """The embeddings that are read."""
        return self.train.streams

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that at least one train clip has.

        A modality that no clip has cannot be learned, and would add noise to predictions.
        """
        has_text = has_audio = has_vision = False
        for row in self.train.rows:
            has_text |= bool(row.text.strip())
            has_audio |= row.has_audio and bool(self.streams.audio)
            has_vision |= row.has_vision and bool(self.streams.vision)
        present = zip(("text", "audio", "vision"), (has_text, has_audio, has_vision), strict=True)
        return tuple(name for name, is_present in present if is_present)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that training reads. It changes if any of it changes."""
        sha = hashlib.sha256(self.streams.identity().encode())
        for split in (self.train, self.valid):
            for row, before in zip(
                split.rows, split.context_rows or [()] * len(split), strict=True
            ):
                context = [(clip.clip_id, clip.key, clip.text) for clip in before]
                sha.update(repr((row.clip_id, row.key, row.text, row.label, context)).encode())
        for dialogues in (self.train_dialogues, self.valid_dialogues):
            for window in () if dialogues is None else dialogues.windows:
                utterances = [(row.clip_id, row.key, row.text) for row in window.utterances]
                sha.update(repr((utterances, window.speakers, window.scored)).encode())
        return sha.hexdigest()


def open_data(
    layout: CacheLayout,
    dataset: str,
    vision: str = LAST,
    audio: str = LAST,
    run: RunInfo | None = None,
) -> TrainData:
    """The labelled train and validation clips of a cached dataset.

    vision, audio: names of the streams; "last" = what was cached last. run: a run to resume, which
    reads its own streams. Raises TrainError if there are no labelled clips.
    """
    if run is None:
        return _train_data(layout, open_cached(layout, dataset, vision, audio))
    return _train_data(layout, open_with(layout, dataset, run.streams))


def with_fold(data: TrainData, fold: str) -> TrainData:
    """The labelled clips of the splits of one fold (cache/folds.py); empty: as they are.

    Raises TrainError where the dataset has no such fold.
    """
    if not fold or data.fold == fold:
        return data
    try:
        manifest = fold_manifest(data.manifest, fold)
    except FoldError as error:
        raise TrainError(str(error)) from None
    splits = {}
    for name in ("train", "valid"):
        splits[name] = data.train.of_manifest(manifest, manifest.labelled(name))
    return replace(data, manifest=manifest, train=splits["train"], valid=splits["valid"], fold=fold)


def _train_data(layout: CacheLayout, opened: OpenedDataset) -> TrainData:
    manifest = opened.manifest
    dataset = manifest.dataset
    if manifest.task is None:
        raise TrainError(_no_labels(layout, manifest))
    splits = {}
    for name in ("train", "valid"):
        rows = manifest.labelled(name)
        if not rows:
            raise TrainError(
                f"{dataset} has no labelled clips in its {name} split, and training needs both "
                f"train and valid: see `semanticmac inspect {dataset}`, and check the split column "
                "of its labels."
            )
        splits[name] = ClipDataset(manifest, opened.reader, rows)
    return TrainData(manifest.task, manifest, splits["train"], splits["valid"], opened.notes)


def _no_labels(layout: CacheLayout, manifest: Manifest) -> str:
    """The error message for a dataset without labels. It names the cached datasets with labels."""
    again = cache_command(manifest.dataset, manifest.corpus, last_streams(layout, manifest.dataset))
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
    if data.task.kind == "regression":
        _require_scores(config, data)
    if config.compile and config.model.reads_dialogues:
        raise TrainError(
            f"compile=true: the model {config.model.name} reads dialogues, whose lengths differ in "
            "each batch. Use compile=false"
        )
    if config.regression_loss == "ccc" and data.task.kind != "regression":
        raise TrainError(
            f"regression_loss=ccc is for scores, but the task is {data.task.kind}: leave it out"
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
        output_units=units_of(data.task),
        vision_width=data.train.widths.vision,
        audio_width=data.train.widths.audio,
        modalities=modalities,
    )
    return replace(
        config,
        precision=_precision(config.precision, device),
        vision=_resolved(config.vision, data.streams.encoder("vision")),
        audio=_resolved(config.audio, data.streams.encoder("audio")),
        model=model,
    )


def _require_scores(config: TrainConfig, data: TrainData) -> None:
    """Raises TrainError where a score cannot be learned from these clips with this loss."""
    uses_ccc = config.regression_loss == "ccc"
    if uses_ccc and config.batch_size < 2:
        raise TrainError(
            f"regression_loss=ccc compares the clips of a batch, but batch_size={config.batch_size}"
            ": give a batch_size of 2 or more (32 or more is usual)"
        )
    for split, clips in (("train", data.train), ("valid", data.valid)):
        truth = clips.labels(data.task.width)
        for name, column in zip(data.task.names, truth.T, strict=True):
            known = column[~column.isnan()]
            if not len(known):
                raise TrainError(
                    f"no {split} clip of {data.manifest.dataset} has the score {name!r}: annotate "
                    "some, or leave this column out"
                )
            if uses_ccc and len(known.unique()) < 2:
                raise TrainError(
                    f"regression_loss=ccc: the score {name!r} is the same in every {split} clip of "
                    f"{data.manifest.dataset}, so that its CCC is undefined. Use regression_loss=l1"
                )


def _resolved(asked: str, encoder: str) -> str:
    """The name of a stream for config.toml; a modality without a stream keeps `last`."""
    return encoder if asked == LAST and encoder else asked


def _precision(asked: Precision, device: torch.device) -> Precision:
    if asked != "auto":
        return asked
    if device.type == "cuda" and torch.cuda.is_bf16_supported(False):
        return "bfloat16"
    return "float32"


def with_dialogue(data: TrainData, model: ModelConfig) -> TrainData:
    """The same clips with what a model reads beside each: the clips before it, or its dialogue.

    Raises TrainError if no train clip has a clip before it.
    """
    if model.reads_dialogues:
        return _with_dialogues(data, model)
    clips_before = model.clips_before
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


def _with_dialogues(data: TrainData, model: ModelConfig) -> TrainData:
    size = window_size(model)
    train, valid = DialogueDataset(data.train, size), DialogueDataset(data.valid, size)
    if all(len(window.utterances) == 1 for window in train.windows):
        raise TrainError(
            f"the model {model.name} reads dialogues, but no train clip of "
            f"{data.manifest.dataset} has another clip in its dialogue. The dataset needs a "
            "dialogue and a position for each clip (docs/dialogues.md); choose a model that reads "
            "clips."
        )
    return replace(data, train_dialogues=train, valid_dialogues=valid)
