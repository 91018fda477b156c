"""Every analysis by name, in the order in which a report shows them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from semanticmac.eval.analysis.figure import AnalysisError, Found, styled
from semanticmac.eval.eval_data import EvalData

Analysis = Callable[[EvalData, Path, str], Found]

# name → (its file, its function); the file is read when the analysis is asked for.
ANALYSES = {
    "calibration": ("trust", "analyse_calibration"),
    "missing": ("trust", "analyse_missing"),
    "cases": ("cases", "analyse"),
    "attention": ("attention", "analyse"),
    "labels": ("labels", "analyse"),
    "embedding": ("embedding", "analyse"),
    "balance": ("balance", "analyse"),
    "probe": ("probe", "analyse"),
    "frames": ("frames", "analyse"),
}


def analysis(name: str) -> Analysis:
    """Raises AnalysisError for a name that is none."""
    if name not in ANALYSES:
        raise AnalysisError(f"there is no analysis {name!r}: expected all, {', '.join(ANALYSES)}")
    file, function = ANALYSES[name]
    analyse: Analysis = getattr(import_module(f"semanticmac.eval.analysis.{file}"), function)

    def in_style(data: EvalData, run: Path, split: str) -> Found:
        with styled():
            return analyse(data, run, split)

    return in_style
