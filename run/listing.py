"""Every run below a folder in one line each, read from what the runs left; a folder of runs is folded into one line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from semanticmac.eval.report.formatting import mean_spread
from semanticmac.run.folder import FAILURE, SEEDS, RunInfo, higher_is_better, is_finished


@dataclass(frozen=True)
class RunLine:
    """A run, or a folder of runs. What is not known is None."""

    folder: str
    kind: str = "run"  # or seeds, sweep, ablation, folder: several runs
    runs: int = 1  # finished ones, if several
    dataset: str | None = None
    seed: int | None = None
    best_epoch: int | None = None
    valid_metric: str | None = None
    valid_score: float | None = None  # seeds: the mean; sweep: the best one's
    valid_std: float | None = None
    test_metric: str | None = None  # the one that its dataset is judged by
    test_score: float | None = None
    test_std: float | None = None
    trained: str | None = None  # when the best epoch was saved, ISO 8601
    state: str = "finished"  # or unfinished, failed (for good: a trial of a sweep), broken
    note: str | None = None


def list_runs(root: Path, everything: bool = False) -> list[RunLine]:
    """The runs below a folder, by name; everything: after a folder of runs, each of its runs too.

    Never raises.
    """
    lines = []
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        if _is_run(folder):
            lines.append(run_line(folder))
        elif inside := [
            run_line(run) for run in sorted(folder.glob("*")) if run.is_dir() and _is_run(run)
        ]:
            lines += [folded(folder, inside), *(inside if everything else ())]
    return lines


def run_line(folder: Path) -> RunLine:
    """One run, whatever state it is in."""
    line = RunLine(str(folder))
    try:
        line = replace(line, **_settings(folder))
        if (folder / "run.json").exists():
            line = replace(line, **_trained(folder), **_scored(folder))
        if (folder / "checkpoint").exists():
            epochs = int(_toml(folder)["epochs"])
            where = f"in epoch {min(_epoch(folder), epochs)} of {epochs}"
            return replace(
                line, state="unfinished", note=f"{where}: `semanticmac train --resume {folder}`"
            )
        if not is_finished(folder) and (folder / FAILURE).exists():
            reason = (folder / FAILURE).read_text(encoding="utf-8").strip()
            return replace(line, state="failed", note=f"failed: {reason}")
        if not is_finished(folder):
            return replace(line, state="broken", note="there is no trained model in it")
    except Exception as error:  # any file of it may be anything: a listing says so and goes on
        return replace(
            line, state="broken", note=f"cannot be read ({type(error).__name__}: {error})"
        )
    return line


def folded(folder: Path, inside: Sequence[RunLine]) -> RunLine:
    """The line of a folder of runs."""
    kind = _kind(folder)
    done = [line for line in inside if line.state == "finished"]
    trained = max((line.trained for line in inside if line.trained), default=None)
    states = [line.state for line in inside]
    notes = [
        f"{count} {state}"
        for state in ("unfinished", "failed", "broken")
        if (count := states.count(state))
    ]
    dataset = next((line.dataset for line in inside if line.dataset), None)
    state = "finished" if {"finished", "failed"}.issuperset(states) else "unfinished"
    line = RunLine(
        str(folder),
        kind,
        len(done),
        dataset,
        trained=trained,
        state=state,
        note=", ".join(notes) or None,
    )
    if kind == "seeds" and done:
        line = replace(line, **_over_seeds(done))
    if kind == "sweep" and done:
        more = higher_is_better(RunInfo.read(Path(done[0].folder)).task)
        scored = [(one.valid_score, one) for one in done if one.valid_score is not None]
        _, best = (max if more else min)(scored, key=lambda pair: pair[0])
        same = ("best_epoch", "valid_metric", "valid_score", "test_metric", "test_score")
        notes.insert(0, f"best: {Path(best.folder).name}")
        line = replace(line, **{name: getattr(best, name) for name in same}, note=", ".join(notes))
    return line


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("config.toml", "run.json"))


def _kind(folder: Path) -> str:
    if (folder / SEEDS).exists():
        return "seeds"
    if (folder / "study.db").exists():
        return "sweep"
    return "ablation" if folder.name.startswith("ablation-") else "folder"


def _over_seeds(done: Sequence[RunLine]) -> dict[str, Any]:
    """Mean and sample spread on validation, and on test where every seed was scored there."""
    found: dict[str, Any] = {}
    for split in ("valid", "test"):
        scores = [getattr(line, f"{split}_score") for line in done]
        if None not in scores:
            mean, std = mean_spread(scores)
            metric = getattr(done[0], f"{split}_metric")
            found |= {f"{split}_metric": metric, f"{split}_score": mean, f"{split}_std": std}
    return found


def _settings(folder: Path) -> dict[str, Any]:
    settings = _toml(folder)
    return {"dataset": settings.get("dataset"), "seed": settings.get("seed")}


def _trained(folder: Path) -> dict[str, Any]:
    info = RunInfo.read(folder)
    when = datetime.fromtimestamp((folder / "run.json").stat().st_mtime).astimezone()
    names = ("dataset", "seed", "best_epoch", "valid_metric", "valid_score")
    return {name: getattr(info, name) for name in names} | {
        "trained": when.isoformat(timespec="seconds")
    }


def _scored(folder: Path) -> dict[str, Any]:
    path = folder / "eval-test.json"
    if not path.exists():
        return {}
    scores = json.loads(path.read_text(encoding="utf-8"))
    main = scores["main"]
    return {"test_metric": main, "test_score": scores["summary"][main]["mean"]}


def _epoch(folder: Path) -> int:
    """The epoch that a run was in, by the last whole line of its log."""
    path = folder / "log.jsonl"
    for line in reversed(path.read_bytes().splitlines() if path.exists() else []):
        try:
            last = json.loads(line)
        except ValueError:  # a killed process leaves half a line
            continue
        return int(last["epoch"]) + ("step" not in last)
    return 1


def _toml(folder: Path) -> dict[str, Any]:
    path = folder / "config.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
