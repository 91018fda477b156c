"""train --folds and eval over folds: speakers apart, exact scores, resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.planted import SMALL, TASKS, planted_clips, write_corpus
from support.program import semanticmac

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.run.folder import RunInfo, seed_runs
from semanticmac.run.predictions import read_predictions


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> CacheLayout:
    """Clips of four speakers."""
    clips = []
    for number, clip in enumerate(planted_clips("regression")):
        clips.append(replace(clip, speaker=f"s{number % 4}", dialogue=None, position=None))
    return write_corpus(tmp_path_factory.mktemp("folds") / "cache", TASKS["regression"], clips)


def words(layout: CacheLayout, folder: Path, *more: str) -> list[str]:
    line = ["train", "--folds", "speaker", "--dataset", "planted", "--cache", str(layout.root)]
    line += ["--run", str(folder), "--device", "cpu"]
    for key, value in (SMALL | {"modalities": "audio,vision", "epochs": 1}).items():
        line += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    return [*line, *more]


def test_every_speaker_is_predicted_by_a_model_that_never_saw_it(
    speakers: CacheLayout, tmp_path: Path
) -> None:
    folder = tmp_path / "folds"
    answer = semanticmac(tmp_path, *words(speakers, folder))
    assert "4 folds" in answer.stdout and "test speakers" in answer.stdout
    runs = seed_runs(folder)
    assert list(runs) == [0, 1, 2, 3]
    assert [RunInfo.read(run).fold for run in runs.values()] == [
        f"speaker:4:{number}" for number in range(4)
    ]

    answer = semanticmac(tmp_path, "eval", str(folder), "--cache", str(speakers.root))
    assert "pooled" in answer.stdout
    rows = Manifest.read(speakers.manifest("planted")).rows
    speaker_of = {row.clip_id: row.speaker for row in rows}
    tested: list[str] = []
    errors = []
    for run in runs.values():
        scored = read_predictions(run)
        assert len({speaker_of[record["clip_id"]] for record in scored}) == 1
        tested += [record["clip_id"] for record in scored]
        for record in scored:
            errors.append(abs(record["predicted_multimodal"][0] - record["truth"][0]))
    assert sorted(tested) == sorted(speaker_of)
    pooled = json.loads((folder / "pooled-test.json").read_text())
    [scores] = pooled["runs"]
    mae = {metric["name"]: metric["value"] for metric in scores["metrics"]}["MAE"]
    assert mae == pytest.approx(np.mean(errors))
    assert scores["scored"] == len(rows)

    # Scores without a modality do not replace those of complete clips.
    stored = (folder / "pooled-test.json").read_bytes()
    line = ("eval", str(folder), "--without", "audio", "--cache", str(speakers.root))
    semanticmac(tmp_path, *line)
    assert (folder / "pooled-test.json").read_bytes() == stored
    assert (folder / "pooled-test-without-audio.json").exists()

    # The same command trains nothing again; a run alone is scored on its fold.
    before = [(run / "model.safetensors").stat().st_mtime_ns for run in runs.values()]
    semanticmac(tmp_path, *words(speakers, folder))
    after = [(run / "model.safetensors").stat().st_mtime_ns for run in runs.values()]
    assert before == after
    answer = semanticmac(tmp_path, "eval", str(runs[1]), "--cache", str(speakers.root))
    assert "pooled" not in answer.stdout


def test_conflicting_options_are_refused(speakers: CacheLayout, tmp_path: Path) -> None:
    answer = semanticmac(tmp_path, *words(speakers, tmp_path / "x", "--seeds", "2"), expect=2)
    assert "--folds trains every fold with one seed" in " ".join(answer.stderr.split())
    line = words(speakers, tmp_path / "y", "--set", "fold=speaker:4:0")
    answer = semanticmac(tmp_path, *line, expect=2)
    assert "fold is no setting to choose" in " ".join(answer.stderr.split())
    line[line.index("speaker")] = "speaker:9"
    line = line[: line.index("fold=speaker:4:0") - 1]
    answer = semanticmac(tmp_path, *line, expect=2)
    assert "so expected speaker:2 to speaker:" in " ".join(answer.stderr.split())
