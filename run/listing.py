"""Records of all runs and folders of runs below a folder, read from their files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from semanticmac.cache.layout import subfolders
from semanticmac.run.folder import FAILURE, FOLDS, SEEDS, RunInfo, higher_is_better, is_finished
from semanticmac.run.metric import Unit, mean_and_std
from semanticmac.run.scores import read_scores

State = Literal["finished", "unfinished", "failed", "broken"]


@dataclass(frozen=True)
class RunLine:
    """A run, or a folder of runs; None = unknown."""

    folder: str
    kind: str = "run"  # or a folder of runs: seeds, sweep, ablation, folder
    runs: int = 1  # finished ones in a folder of runs
    dataset: str | None = None
    streams: str | None = None  # the encoders of its embeddings
    model: str | None = None  # by its name in model/registry.py; None in a folder of runs
    seed: int | None = None
    best_epoch: int | None = None
    valid_metric: str | None = None
    valid_score: float | None = None  # seeds: the mean; sweep: of the best trial
    valid_std: float | None = None
    test_metric: str | None = None  # the main metric of the dataset
    test_score: float | None = None
    test_std: float | None = None
    test_unit: Unit | None = None
    trained: str | None = None  # when the best epoch was saved, ISO 8601
    state: State = "finished"  # failed: a trial of a sweep that is not tried again
    note: str | None = None


def list_runs(root: Path, everything: bool = False) -> list[RunLine]:
    """The runs below a folder, by name. Never raises: a run that cannot be read is `broken`.

    everything: the record of a folder of runs is followed by the records of its runs.
    """
    lines = []
    for folder in subfolders(root):
        if _is_run(folder):
            lines.append(run_line(folder))
            continue
        inside = []
        for run in subfolders(folder):
            if _is_run(run):
                inside.append(run_line(run))
        if inside:
            lines.append(folder_line(folder, inside))
            if everything:
                lines += inside
    return lines


def run_line(folder: Path) -> RunLine:
    """One run in any state."""
    line = RunLine(str(folder))
    try:
        settings = _read_toml(folder)
        line = replace(line, dataset=settings.get("dataset"), seed=settings.get("seed"))
        if (folder / "run.json").exists():
            line = _with_scores(_with_training(line, folder), folder)
        return _with_state(line, folder, settings)
    except Exception as error:  # any file may be damaged: the listing goes on with the next run
        reason = f"cannot be read ({type(error).__name__}: {error})"
        return replace(line, state="broken", note=reason)


def folder_line(folder: Path, inside: Sequence[RunLine]) -> RunLine:
    """A folder of runs: how many are finished, and the mean over seeds or the best trial."""
    kind = _kind(folder)
    finished = []
    states = []
    datasets = []
    times = []
    for run in inside:
        states.append(run.state)
        if run.state == "finished":
            finished.append(run)
        if run.dataset:
            datasets.append(run.dataset)
        if run.trained:
            times.append(run.trained)
    notes = []
    for state in ("unfinished", "failed", "broken"):
        if state in states:
            notes.append(f"{states.count(state)} {state}")
    line = RunLine(
        str(folder),
        kind,
        len(finished),
        dataset=datasets[0] if datasets else None,
        trained=max(times, default=None),
        state="finished" if {"finished", "failed"}.issuperset(states) else "unfinished",
    )
    if kind in ("seeds", "folds") and finished:
        line = _with_mean(line, finished)
    if kind == "sweep" and finished:
        best = _best_trial(finished)
        notes.insert(0, f"best: {Path(best.folder).name}")
        line = replace(
            line,
            best_epoch=best.best_epoch,
            valid_metric=best.valid_metric,
            valid_score=best.valid_score,
            test_metric=best.test_metric,
            test_score=best.test_score,
            test_unit=best.test_unit,
        )
    return replace(line, note=", ".join(notes) or None)


def _is_run(folder: Path) -> bool:
    return (folder / "config.toml").exists() or (folder / "run.json").exists()


def _kind(folder: Path) -> str:
    if (folder / SEEDS).exists():
        return "seeds"
    if (folder / FOLDS).exists():
        return "folds"
    if (folder / "study.db").exists():
        return "sweep"
    return "ablation" if folder.name.startswith("ablation-") else "folder"


def _with_training(line: RunLine, folder: Path) -> RunLine:
    """Adds the content of run.json."""
    info = RunInfo.read(folder)
    saved = datetime.fromtimestamp((folder / "run.json").stat().st_mtime).astimezone()
    return replace(
        line,
        dataset=info.dataset,
        streams=info.streams.describe(),
        model=info.model.name,
        seed=info.seed,
        best_epoch=info.best_epoch,
        valid_metric=info.valid_metric,
        valid_score=info.valid_score,
        trained=saved.isoformat(timespec="seconds"),
    )


def _with_scores(line: RunLine, folder: Path) -> RunLine:
    """Adds the main metric on test, if the run was scored there."""
    scores = read_scores(folder, "test")
    if scores is None:
        return line
    main = scores.main
    return replace(line, test_metric=main.name, test_score=main.value, test_unit=main.unit)


def _with_state(line: RunLine, folder: Path, settings: dict[str, Any]) -> RunLine:
    """Adds the state, and what to do about a run that is not finished."""
    if (folder / "checkpoint").exists():
        epochs = int(settings["epochs"])
        epoch = min(_current_epoch(folder), epochs)
        note = f"in epoch {epoch} of {epochs}: `semanticmac train --resume {folder}`"
        return replace(line, state="unfinished", note=note)
    if is_finished(folder):
        return line
    if (folder / FAILURE).exists():
        reason = (folder / FAILURE).read_text(encoding="utf-8").strip()
        return replace(line, state="failed", note=f"failed: {reason}")
    return replace(line, state="broken", note="there is no trained model in it")


def _with_mean(line: RunLine, finished: Sequence[RunLine]) -> RunLine:
    """Adds mean and standard deviation on validation, and on test where all seeds were scored."""
    valid_mean, valid_std = mean_and_std([run.valid_score for run in finished])
    test_mean, test_std = mean_and_std([run.test_score for run in finished])
    if valid_mean is not None:
        line = replace(
            line, valid_metric=finished[0].valid_metric, valid_score=valid_mean, valid_std=valid_std
        )
    if test_mean is not None:
        line = replace(
            line,
            test_metric=finished[0].test_metric,
            test_score=test_mean,
            test_std=test_std,
            test_unit=finished[0].test_unit,
        )
    return line


def _best_trial(finished: Sequence[RunLine]) -> RunLine:
    """The trial with the best validation score; the first of equals."""
    if higher_is_better(RunInfo.read(Path(finished[0].folder)).task):
        return max(finished, key=lambda line: line.valid_score or 0.0)
    return min(finished, key=lambda line: line.valid_score or 0.0)


def _current_epoch(folder: Path) -> int:
    """The epoch in which a run stopped, by the last complete line of its log."""
    path = folder / "log.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:  # a killed process may leave half a line
            continue
        epoch = int(record["epoch"])
        return epoch if "step" in record else epoch + 1
    return 1


def _read_toml(folder: Path) -> dict[str, Any]:
    path = folder / "config.toml"
    if not path.exists():
        return {}
    return tomllib.loads(path.read_text(encoding="utf-8"))
