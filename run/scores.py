"""The scores in a run folder, eval-SPLIT.json. eval/evaluate.py writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semanticmac.run.metric import Metric, digits_of, format_number

# What the files of version 0.1 do not say about a metric, by its name.
_OLD_UNITS = {"MAE": "number", "Corr": "number"}
_OLD_ZERO_RULES = {
    "Acc-2 (non-zero)": "non-zero",
    "F1 (non-zero)": "non-zero",
    "Acc-2 (has-zero)": "has-zero",
    "F1 (has-zero)": "has-zero",
}
_OLD_PAPER_KEYS = {
    "Acc-2 (non-zero)": ("acc2",),
    "F1 (non-zero)": ("f1",),
    "Acc-7": ("acc7",),
    "MAE": ("mae",),
    "Corr": ("corr",),
}


@dataclass(frozen=True)
class StoredScores:
    """The scores of one run on one split."""

    main: Metric  # the one that the model is judged by
    metrics: tuple[Metric, ...]
    clips: int


def scores_path(run: Path, split: str, without: tuple[str, ...] = ()) -> Path:
    """The file of a split's scores; modalities that were made absent are part of its name."""
    return run / f"eval-{split}{without_suffix(without)}.json"


def without_suffix(without: Sequence[str]) -> str:
    """The part of a file name that names the modalities that were made absent."""
    return "".join(f"-without-{name}" for name in without)


def text_cost(run: Path) -> str:
    """The main metric with and without text, for a remark; empty where `eval` did not measure both.

    `eval --without text` measures it.
    """
    for split in ("test", "valid"):
        try:
            complete, partial = read_scores(run, split), read_scores(run, split, ("text",))
        except (ValueError, KeyError, TypeError):  # a damaged file costs the remark alone
            continue
        if complete is None or partial is None or complete.main.name != partial.main.name:
            continue
        if complete.main.value is None or partial.main.value is None:
            continue
        unit, digits = complete.main.unit, digits_of(complete.main.unit)
        values = []
        for value in (partial.main.value, complete.main.value):
            values.append(format_number(value, unit, digits) + (" %" if unit == "percent" else ""))
        return (
            f"; without text this model has {complete.main.name} {values[0]} on {split}, with it "
            f"{values[1]}"
        )
    return ""


def read_scores(run: Path, split: str, without: tuple[str, ...] = ()) -> StoredScores | None:
    """The scores of a split; None where the run was not scored on it.

    without: the modalities that were left out.
    """
    path = scores_path(run, split, without)
    if not path.exists():
        return None
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    [scores] = stored["runs"]
    metrics = tuple(map(_read_metric, scores["metrics"]))
    [main] = [metric for metric in metrics if metric.name == stored["main"]]
    return StoredScores(main, metrics, scores["scored"])


def _read_metric(stored: dict[str, Any]) -> Metric:
    if "unit" not in stored:
        stored = _of_version_0_1(stored)
    return Metric(**{**stored, "paper_keys": tuple(stored["paper_keys"])})


def _of_version_0_1(stored: dict[str, Any]) -> dict[str, Any]:
    """A metric of a file that names neither unit nor class, completed from its name."""
    name: str = stored["name"]
    zero_rule = _OLD_ZERO_RULES.get(name, "")
    class_name = "" if zero_rule else name.partition(" (")[2].removesuffix(")")
    return {
        **stored,
        "unit": _OLD_UNITS.get(name, "percent"),
        "zero_rule": zero_rule,
        "class_name": class_name,
        "paper_keys": _OLD_PAPER_KEYS.get(name, ()),
    }
