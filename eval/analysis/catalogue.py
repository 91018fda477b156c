"""All analyses by name, in the order of a report.

This file loads neither torch nor matplotlib, so that a wrong name is answered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semanticmac.eval.analysis.figure import AnalysisResult
    from semanticmac.eval.eval_data import EvalData

    AnalysisFn = Callable[[EvalData, Path, str], AnalysisResult]
    BesideFn = Callable[[Sequence[tuple[str, EvalData]], str], AnalysisResult]

# Name of the analysis → module of its function `analyse`, imported when it is needed.
ANALYSES = {
    "calibration": "reliability",
    "missing": "missing",
    "protocols": "protocols",
    "conflict": "conflict",
    "cases": "cases",
    "attention": "attention",
    "labels": "labels",
    "embedding": "embedding",
    "balance": "balance",
    "probe": "probe",
    "frames": "frames",
}


class AnalysisError(Exception):
    """An analysis that this run or cache does not support; the message says what it needs."""


def require_analyses(names: Iterable[str]) -> None:
    """Raises AnalysisError for an unknown name."""
    for name in names:
        if name not in ANALYSES:
            raise AnalysisError(
                f"there is no analysis {name!r}: expected all, {', '.join(ANALYSES)}"
            )


def analysis(name: str) -> AnalysisFn:
    """The function of an analysis; raises AnalysisError for an unknown name."""
    require_analyses([name])
    from semanticmac.eval.analysis.figure import styled

    module = import_module(f"semanticmac.eval.analysis.{ANALYSES[name]}")
    analyse: AnalysisFn = module.analyse

    def analyse_styled(data: EvalData, run: Path, split: str) -> AnalysisResult:
        with styled():
            return analyse(data, run, split)

    return analyse_styled


def analysis_beside(name: str) -> BesideFn:
    """The function of an analysis that shows several runs: balance or conflict."""
    module = import_module(f"semanticmac.eval.analysis.{ANALYSES[name]}")
    analyse: BesideFn = module.analyse_beside
    return analyse
