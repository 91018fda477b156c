"""The file that `predict --out` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from semanticmac.cache.failures import Failure
from semanticmac.commands.ui.prediction_rows import (
    failure_row,
    result_columns,
    result_key,
    result_row,
)
from semanticmac.commands.ui.screen import KEPT, echo, err, set_resume_hint
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.report.results_file import ResultsFile
from semanticmac.preprocess.clip import Clip
from semanticmac.run.folder import RunInfo


class PredictResults:
    """The results of the clips and utterances of one command, in one file."""

    def __init__(self, path: Path, run: Path, info: RunInfo, absent: Sequence[str]) -> None:
        self.task, self.run, self.absent = info.task, run, absent
        self.modalities = info.model.modalities
        self.file = ResultsFile(path, result_columns(info.task, self.modalities))
        self.new = 0
        self._keys: set[str] = set()  # of the clips and utterances of this command

    def waiting(self, clips: Sequence[Clip]) -> list[Clip]:
        """The clips whose result is not in the file yet; says how many are."""
        waiting: list[Clip] = []
        for clip in clips:
            key = result_key(self.run, clip, self.absent)
            self._keys.add(key)
            if key not in self.file.done:
                waiting.append(clip)
        if len(waiting) < len(clips):
            echo(err, f"{len(clips) - len(waiting)} results are in {self.file.path} already")
        set_resume_hint("run the same command again to go on", state=KEPT)
        return waiting

    def add(self, clip: Clip, result: Prediction | Failure, in_dialogue: bool = False) -> None:
        """Appends a result, unless the file has it; in_dialogue: predicted with its context."""
        key = result_key(self.run, clip, self.absent, in_dialogue)
        self._keys.add(key)
        if key in self.file.done:
            return
        if isinstance(result, Failure):
            self.file.add(failure_row(self.file.columns, clip, key, result.reason))
        else:
            self.file.add(result_row(self.task, self.modalities, clip, key, result))
        self.new += 1

    def close(self, console: Console) -> None:
        """Writes a workbook; says on a console how many results are new."""
        self.file.close()
        echo(console, f"{self.new} new results in {self.file.path}")
        others = len(self.file.done - self._keys)
        if others:
            echo(
                console,
                f"{others} more results in it are of other clips, texts or options, or of another "
                "run: they stay",
            )
