"""The run folder: what training leaves, and what scoring and predicting read. JSON, TOML and safetensors only.

run.json              what the model is, what it was trained on, which epoch was the best, how many texts were cut
config.toml           the resolved settings
model.safetensors     weights of the best epoch
language/             tokenizer and configuration of the language model, so that a run needs no model hub
log.jsonl             one line a step and an epoch (train/logger.py)
checkpoint/           while it trains or was stopped: what `train --resume` goes on from (train/checkpoint.py)
pseudo_labels/        what every sub-task was taught, a file an epoch (run/pseudo_labels.py)
eval-SPLIT.json       scores
predictions.parquet   what the model says of every clip that was scored (run/predictions.py)

Runs of one model over seeds stand together in a folder with a seeds.json, as seed-1, seed-2 …

The model itself is read in run/weights.py: what a run was is told here without torch, and so at
once.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from semanticmac.cache.atomic_io import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)
from semanticmac.cache.keys import Fingerprint
from semanticmac.core import Task
from semanticmac.model.config import ModelConfig
from semanticmac.run.digests import changed_files

SEEDS = "seeds.json"  # marks the folder of one model's runs over seeds
FAILURE = "failure.txt"  # of a trial of a sweep that failed: why


class RunError(Exception):
    """A run folder that is not there or not whole; the message says what to do."""


@dataclass(frozen=True)
class RunInfo:
    """What run.json holds."""

    dataset: str  # its name in the cache
    task: Task
    fingerprint: Fingerprint
    model: ModelConfig
    seed: int
    best_epoch: int
    valid_metric: str
    valid_score: float
    data: str  # TrainData.digest of what it was trained and validated on
    versions: dict[str, str]
    texts_cut: dict[str, int] = field(
        default_factory=dict
    )  # train and valid: clips, texts and contexts cut
    # the corpus's own name, which metric rules go by; empty = the same as `dataset`
    corpus: str = ""
    # SHA-256 of every file that prediction reads (run/digests.py); empty for runs of version 0.1.0
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.corpus:
            object.__setattr__(self, "corpus", self.dataset)

    def write(self, folder: Path) -> None:
        about = {**asdict(self), "fingerprint": json.loads(self.fingerprint.to_json())}
        about["checksum"] = EMPTY_CHECKSUM
        content = json.dumps(about, indent=1, allow_nan=False)
        write_checksummed(folder / "run.json", content.encode())

    @classmethod
    def read(cls, folder: Path) -> RunInfo:
        """Raises RunError where the folder holds no finished run."""
        path = folder / "run.json"
        if seeds := seed_runs(folder):
            raise RunError(
                f"{folder} holds {len(seeds)} runs over seeds: give one of them, as {seeds[min(seeds)]}"
            )
        if not path.exists():
            raise RunError(_why_no_run(folder))
        try:
            about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if about.pop("checksum", None) is not None:
                read_checksummed(path)
            task: dict[str, Any] = about["task"]
            model: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in about["model"].items()
            }
            about["task"] = Task(**{**task, "classes": tuple(task["classes"])})
            about["model"] = ModelConfig(**model)
            about["fingerprint"] = Fingerprint.from_json(json.dumps(about["fingerprint"]))
            return cls(**about)
        except (ValueError, KeyError, TypeError, AttributeError, ChecksumMismatch) as error:
            reason = f"{type(error).__name__}: {error}"
            raise RunError(
                f"{path} cannot be read: it is damaged, or of another version ({reason})"
            ) from None


def settings_of(folder: Path) -> dict[str, str]:
    """The resolved settings of a run, as written; those of the model are not set apart.

    Empty where there are none.
    """
    path = folder / "config.toml"
    if not path.exists():
        return {}
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    flat = {
        **{key: value for key, value in settings.items() if key != "model"},
        **settings.get("model", {}),
    }
    return {
        key: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in flat.items()
    }


def check_files(folder: Path, info: RunInfo) -> None:
    """Raises RunError where a file that prediction reads is not as it was after training.

    Runs of version 0.1.0 recorded no digests and pass.
    """
    changes = changed_files(folder, info.files) if info.files else ""
    if changes:
        raise RunError(
            f"{folder} is not as it was trained ({changes}): its predictions would mean nothing. "
            "Copy it again from where it came from, or train it again"
        )


def require_weights(folder: Path) -> None:
    """Raises RunError for a finished run without weights: of a sweep, all but the best trial."""
    if not (folder / "model.safetensors").exists():
        raise RunError(
            f"{folder} keeps no weights: `semanticmac train --config {folder}` trains them again"
        )


def new_run(root: Path, dataset: str, folder: Path | None = None, suffix: str = "") -> Path:
    """The folder of a new run: the one named, or the next free ROOT/DATASET-001, -002 … with the suffix, made.

    Making it keeps it from others that start at the same instant; `drop_empty` gives it back.
    Raises RunError where the named one holds a run already: weeks of GPU time are not overwritten.
    """
    if folder is not None:
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file: a run is a folder, give another --run")
        if (folder / "config.toml").exists() or (folder / SEEDS).exists():
            raise RunError(f"{folder} holds a run already: give another --run, or remove it first")
        return folder
    taken = {path.name.removesuffix("-seeds") for path in root.glob(f"{dataset}-*")}
    for free in (name for i in count(1) if (name := f"{dataset}-{i:03d}") not in taken):
        with suppress(FileExistsError):  # another process has taken it since
            (root / (free + suffix)).mkdir(parents=True)
            break
    return root / (free + suffix)


@contextmanager
def drop_empty(folder: Path) -> Iterator[None]:
    """Where the block raises, a folder that still is empty goes: nothing came of that run."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def is_finished(folder: Path) -> bool:
    """Did the training in this folder end? Until then it has a checkpoint, and run.json is of the best epoch so far."""
    return (folder / "run.json").exists() and not (folder / "checkpoint").exists()


def higher_is_better(task: Task) -> bool:
    """Is the greater validation score the better one? A regression is judged by its loss, classes by their F1."""
    return task.kind != "regression"


def seed_runs(folder: Path) -> dict[int, Path]:
    """Seed → run, finished or not, of a folder that `train --seeds` made; empty for any other folder."""
    if not (folder / SEEDS).exists():
        return {}
    numbers = {path: path.name.removeprefix("seed-") for path in folder.glob("seed-*")}
    return dict(
        sorted((int(number), path) for path, number in numbers.items() if number.isdecimal())
    )


def runs(root: Path) -> list[Path]:
    """Finished runs below a folder, those over seeds among them, the newest first."""
    found = [*root.glob("*/run.json"), *root.glob("*/seed-*/run.json")]
    finished = [path for path in found if is_finished(path.parent)]
    return [
        path.parent
        for path in sorted(finished, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    ]


def newest_run(root: Path, dataset: str | None = None) -> Path:
    """The run that was trained last, on a dataset or on any.

    Raises RunError where there is none.
    """
    others: list[str] = []
    for folder in runs(root):
        if dataset is None:
            return folder
        trained_on = RunInfo.read(folder).dataset
        if trained_on == dataset:
            return folder
        others.append(trained_on)
    if dataset is None or not others:
        of_dataset = f" of {dataset}" if dataset else ""
        raise RunError(
            f"{root} holds no trained model{of_dataset}: `semanticmac train --from-cache` makes one"
        )
    there = sorted(set(others))
    near = difflib.get_close_matches(dataset, there, n=2)
    hint = (
        f"; did you mean {' or '.join(near)}?"
        if near
        else f": `semanticmac train --dataset {dataset}` makes one"
    )
    raise RunError(f"{root} holds no trained model of {dataset} (but of {', '.join(there)}){hint}")


def newest_model(root: Path, dataset: str | None = None) -> Path:
    """What was trained last: a run, or the folder of a model that was trained over seeds."""
    newest = newest_run(root, dataset)
    return newest.parent if newest in seed_runs(newest.parent).values() else newest


def _why_no_run(folder: Path) -> str:
    """Why a path without a run.json is no run, and what a person may give in its place."""
    inside = runs(folder)
    if not folder.is_dir():
        what = "is a file, and a run is a folder" if folder.exists() else "does not exist"
        return f"{folder} {what}: `semanticmac runs` lists the runs there are"
    if (folder / FAILURE).exists():
        return f"{folder} holds no trained model, it failed: {(folder / FAILURE).read_text(encoding='utf-8').strip()}"
    if (folder / "config.toml").exists():
        return f"{folder} holds no trained model yet: `semanticmac train --resume {folder}` goes on with its training"
    if inside:
        kept = next((run for run in inside if (run / "model.safetensors").exists()), inside[0])
        which = (
            "the best of them keeps its weights, "
            if (folder / "best.toml").exists()
            else "give one of them, as "
        )
        return f"{folder} is a folder of {len(inside)} runs, not a run: {which}{kept}"
    return (
        f"{folder} holds no trained model (no run.json): `semanticmac train --from-cache` makes one"
    )
