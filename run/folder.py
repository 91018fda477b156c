"""Run folders: written by training, read by evaluation and prediction.

run.json              the model, its data, the best epoch, how many texts were cut
config.toml           all settings of the training
model.safetensors     weights of the best epoch
language/             tokenizer and configuration of the language model; no model hub is needed
step_cost.json        time and peak memory of a step, measured before training (train/step_cost.py)
log.jsonl             one line for each step and each epoch (train/logger.py)
checkpoint/           state for `train --resume`, until training ends (train/checkpoint.py)
pseudo_labels/        targets of every sub-task, one file for each epoch (run/pseudo_labels.py)
eval-SPLIT.json       scores (run/scores.py)
predictions.parquet   predictions of all clips that were scored (run/predictions.py)

Runs of one model over seeds lie in one folder with a seeds.json, as seed-1, seed-2 …

run/weights.py loads the model itself. This file needs no torch, so it loads quickly.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from semanticmac.cache.atomic_io import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)
from semanticmac.cache.file_locks import writable
from semanticmac.cache.streams import Streams
from semanticmac.core import MODALITIES, Task
from semanticmac.model.config import ModelConfig
from semanticmac.model.registry import UnknownModel, model_entry
from semanticmac.run.digests import changed_files
from semanticmac.run.previous_format import current_content

SEEDS = "seeds.json"  # marks a folder that holds the runs of one model over seeds
FOLDS = "folds.json"  # marks a folder that holds the runs of one model over folds
FAILURE = "failure.txt"  # the reason why a trial of a sweep failed


class RunError(Exception):
    """A run folder that is missing or incomplete; the message says what to do."""


@dataclass(frozen=True)
class RunInfo:
    """The content of run.json."""

    dataset: str  # its name in the cache
    task: Task
    streams: Streams  # the embeddings that it reads
    model: ModelConfig
    seed: int
    best_epoch: int
    valid_metric: str
    valid_score: float
    data: str  # TrainData.digest of the train and validation clips
    versions: dict[str, str]
    # number of clips, texts and contexts that were cut, of train and valid together
    texts_cut: dict[str, int] = field(default_factory=dict)
    # name of the corpus, which chooses the metrics; the same as `dataset` where none is given
    corpus: str = ""
    # SHA-256 of every file that prediction reads (run/digests.py); empty for runs of version 0.1.0
    files: dict[str, str] = field(default_factory=dict)
    # split → share of its text tokens that the tokenizer does not know
    unknown_tokens: dict[str, float] = field(default_factory=dict)
    # number of clips, and of those with more than max_frames frames, of train and valid together
    frames_subsampled: dict[str, int] = field(default_factory=dict)
    # the fold whose splits it was trained on (cache/folds.py); empty: those of the dataset
    fold: str = ""

    def __post_init__(self) -> None:
        if not self.corpus:
            object.__setattr__(self, "corpus", self.dataset)

    def write(self, folder: Path) -> None:
        """Writes run.json."""
        content = asdict(self)
        content["task"] = self.task.to_dict()
        content["streams"] = self.streams.to_dict()
        content["checksum"] = EMPTY_CHECKSUM
        text = json.dumps(content, indent=1, allow_nan=False)
        write_checksummed(folder / "run.json", text.encode())

    @classmethod
    def read(cls, folder: Path) -> RunInfo:
        """Raises RunError where the folder holds no finished run."""
        seeds = seed_runs(folder)
        if seeds:
            raise RunError(
                f"{folder} holds {len(seeds)} runs over seeds or folds: "
                f"give one of them, as {seeds[min(seeds)]}"
            )
        path = folder / "run.json"
        if not path.exists():
            raise RunError(_why_no_run(folder))
        try:
            return cls._parse(path)
        except UnknownModel as error:
            raise RunError(
                f"{path}: {error}. A model of your own must be installed or registered first "
                "(docs/own-model.md)"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, ChecksumMismatch) as error:
            raise RunError(
                f"{path} cannot be read: it is damaged, or of another version "
                f"({type(error).__name__}: {error})"
            ) from None

    @classmethod
    def _parse(cls, path: Path) -> RunInfo:
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content = current_content(saved)
        if content.pop("checksum", None) is not None:
            read_checksummed(path)
        model = _without_lists(content["model"])
        if model.get("method") is not None:
            settings = model_entry(model["name"]).settings
            model["method"] = settings(**_without_lists(model["method"]))
        content["task"] = Task.from_dict(content["task"])
        content["model"] = ModelConfig(**model)
        content["streams"] = Streams.from_dict(content["streams"])
        return cls(**content)


def _without_lists(settings: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    values = {}
    for key, value in settings.items():
        values[key] = tuple(value) if isinstance(value, list) else value
    return values


def settings_of(folder: Path) -> dict[str, str]:
    """All settings of a run as text, those of the model last; empty without config.toml."""
    path = folder / "config.toml"
    if not path.exists():
        return {}
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    model = settings.pop("model", {})
    method = model.pop("method", {})
    texts = {}
    for key, value in {**settings, **model, **method}.items():
        texts[key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return texts


def check_files(folder: Path, info: RunInfo) -> None:
    """Raises RunError where a file that prediction reads has changed since training.

    Runs of version 0.1.0 have no digests and are accepted.
    """
    changes = changed_files(folder, info.files) if info.files else ""
    if changes:
        raise RunError(
            f"{folder} is not as it was trained ({changes}): its predictions would mean nothing. "
            "Copy it again from where it came from, or train it again"
        )


def absent_modalities(info: RunInfo, without: Sequence[str]) -> tuple[str, ...]:
    """The modalities of the model that are in `without`, in the model's order.

    Raises RunError for an unknown modality, and where none would be left.
    """
    for name in without:
        if name not in MODALITIES:
            raise RunError(
                f"there is no modality {name!r} to leave out: expected {', '.join(MODALITIES)}"
            )
    used = info.model.modalities
    absent = tuple(name for name in used if name in without)
    if absent == used:
        raise RunError(
            f"without {', '.join(used)} nothing is left of what this model was trained with"
        )
    return absent


def require_raw_videos(folder: Path, info: RunInfo) -> None:
    """Raises RunError if the model was trained on features that this program cannot compute."""
    if info.streams.imported:
        raise RunError(
            f"{folder} was trained on imported features and cannot predict videos: "
            "the program that extracted the features is not part of this one"
        )


def require_weights(folder: Path) -> None:
    """Raises RunError for a finished run without weights, as all trials of a sweep but the best."""
    if not (folder / "model.safetensors").exists():
        raise RunError(
            f"{folder} keeps no weights: `semanticmac train --config {folder}` trains them again"
        )


def new_run(root: Path, dataset: str, folder: Path | None = None, suffix: str = "") -> Path:
    """The folder of a new run: `folder`, or the next free ROOT/DATASET-001, -002 … with the suffix.

    The numbered folder is created at once, so that no other process takes it; `drop_empty` removes
    it again. Raises RunError where `folder` holds a run already, since runs are never overwritten,
    and where ROOT cannot be written.
    """
    if folder is not None:
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file: a run is a folder, give another --run")
        if any((folder / name).exists() for name in ("config.toml", SEEDS, FOLDS)):
            raise RunError(f"{folder} holds a run already: give another --run, or remove it first")
        return folder

    used = set()
    for path in root.glob(f"{dataset}-*"):
        used.add(path.name.removesuffix("-seeds").removesuffix("-folds"))
    for number in count(1):
        name = f"{dataset}-{number:03d}"
        if name in used:
            continue
        try:
            with writable(root, RunError, "--runs"):
                (root / (name + suffix)).mkdir(parents=True)
        except FileExistsError:  # another process created it in the meantime
            continue
        break
    return root / (name + suffix)


@contextmanager
def drop_empty(folder: Path) -> Iterator[None]:
    """Removes the folder of a run if the block raises before anything was written to it."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def is_finished(folder: Path) -> bool:
    """Did the training in this folder end?

    Until then it has a checkpoint, and run.json describes the best epoch so far.
    """
    return (folder / "run.json").exists() and not (folder / "checkpoint").exists()


def higher_is_better(task: Task) -> bool:
    """Is the greater validation score the better one? False for regression, judged by its loss."""
    return task.kind != "regression"


def seed_runs(folder: Path) -> dict[int, Path]:
    """Number → run, finished or not, in a folder of `train --seeds` or `train --folds`.

    Empty for any other folder.
    """
    prefix = ""
    if (folder / SEEDS).exists():
        prefix = "seed-"
    elif (folder / FOLDS).exists():
        prefix = "fold-"
    if not prefix:
        return {}
    seeds = {}
    for path in folder.glob(f"{prefix}*"):
        number = path.name.removeprefix(prefix)
        if number.isdecimal():
            seeds[int(number)] = path
    return dict(sorted(seeds.items()))


def runs(root: Path) -> list[Path]:
    """Finished runs below a folder, runs over seeds included, the newest first."""
    finished = []
    patterns = ("*/run.json", "*/seed-*/run.json", "*/fold-*/run.json")
    for path in chain.from_iterable(map(root.glob, patterns)):
        if is_finished(path.parent):
            finished.append(path)
    finished.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [path.parent for path in finished]


def _why_no_run(folder: Path) -> str:
    """Why a path without run.json is no run, and what to give instead."""
    if not folder.is_dir():
        reason = "is a file, and a run is a folder" if folder.exists() else "does not exist"
        return f"{folder} {reason}: `semanticmac runs` lists the runs there are"
    if (folder / FAILURE).exists():
        failure = (folder / FAILURE).read_text(encoding="utf-8").strip()
        return f"{folder} holds no trained model, it failed: {failure}"
    if (folder / "config.toml").exists():
        return (
            f"{folder} holds no trained model yet: "
            f"`semanticmac train --resume {folder}` goes on with its training"
        )
    inside = runs(folder)
    if inside:
        suggestion = inside[0]
        for run in inside:
            if (run / "model.safetensors").exists():
                suggestion = run
                break
        advice = "give one of them, as"
        if (folder / "best.toml").exists():
            advice = "the best of them keeps its weights,"
        return f"{folder} is a folder of {len(inside)} runs, not a run: {advice} {suggestion}"
    return (
        f"{folder} holds no trained model (no run.json): `semanticmac train --from-cache` makes one"
    )
