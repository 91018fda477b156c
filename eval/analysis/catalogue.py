"""All analyses by name, in the order of a report."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from semanticmac.eval.analysis.figure import AnalysisError, AnalysisResult, styled
from semanticmac.eval.eval_data import EvalData

AnalysisFn = Callable[[EvalData, Path, str], AnalysisResult]

# Name of the analysis → module of its function `analyse`, imported when it is needed.
ANALYSES = {
    "calibration": "reliability",
    "missing": "missing",
    "cases": "cases",
    "attention": "attention",
    "labels": "labels",
    "embedding": "embedding",
    "balance": "balance",
    "probe": "probe",
    "frames": "frames",
}


def analysis(name: str) -> AnalysisFn:
    """The function of an analysis; raises AnalysisError for an unknown name."""
    if name not in ANALYSES:
        raise AnalysisError(f"there is no analysis {name!r}: expected all, {', '.join(ANALYSES)}")
    module = import_module(f"semanticmac.eval.analysis.{ANALYSES[name]}")
    analyse: AnalysisFn = module.analyse

    def analyse_styled(data: EvalData, run: Path, split: str) -> AnalysisResult:
        with styled():
            return analyse(data, run, split)

    return analyse_styled
