"""Several scores on the command line, from the cache to the exported model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.program import semanticmac

import semanticmac as package
from semanticmac.cache.manifest import Manifest
from semanticmac.run.folder import RunInfo

SETTINGS = [
    "d_model=16",
    "heads=2",
    "perceiver_layers=1",
    "sgfi_layers=1",
    "epochs=2",
    "batch_size=8",
    'modalities=["audio", "vision"]',
    "regression_loss=ccc",
]
TRAIN = [part for setting in SETTINGS for part in ("--set", setting)]
NAMES = ["valence", "arousal", "effort"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory, film) -> Path:
    """32 clips of 1 to 2 s with three scores; one score of some train clips is missing."""
    root = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    with (root / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["file", "score_valence[-3:3]", "score_arousal[1:5]", "score_effort[0:100]", "split"]
        )
        for number in range(32):
            name = f"clip{number:02d}.mp4"
            film(root / name, 1.0 + 0.03 * number)
            split = "train" if number < 14 else "valid" if number < 24 else "test"
            low = random.uniform(-1, 1)
            arousal = "" if number in (2, 3) else f"{3 + 2 * low:.2f}"
            writer.writerow([name, f"{3 * low:.2f}", arousal, f"{50 + 50 * low:.1f}", split])
    return root


@pytest.fixture(scope="module")
def walked(clips, tmp_path_factory) -> Path:
    """A folder in which the clips are cached, a model is trained and scored."""
    folder = tmp_path_factory.mktemp("walk")
    semanticmac(folder, "cache", "folder", "--root", clips, "--encoder", "imagebind-tiny")
    semanticmac(folder, "train", "--from-cache", *TRAIN)
    semanticmac(folder, "eval", "--split", "all")
    return folder


def test_the_cache_keeps_names_ranges_and_gaps(walked):
    manifest = Manifest.read(walked / "data/cache/datasets/folder/manifest.parquet")
    assert manifest.task is not None and list(manifest.task.names) == NAMES
    ranges = [(each.low, each.high) for each in manifest.task.dimensions]
    assert ranges == [(-3.0, 3.0), (1.0, 5.0), (0.0, 100.0)]
    label = manifest.rows[2].label
    assert label is not None and np.isnan(label).tolist() == [False, True, False]
    shown = semanticmac(walked, "inspect", "folder").stdout
    assert "regression of 3 scores" in shown
    for text in ("valence, −3 … 3", "arousal, 1 … 5", "effort, 0 … 100"):
        assert text in shown
    [arousal] = [line for line in shown.splitlines() if line.lstrip().startswith("arousal")]
    assert " 12 " in arousal  # of 14 train clips


def test_training_chooses_the_epoch_by_ccc(walked):
    [run] = (walked / "runs").glob("folder-*")
    info = RunInfo.read(run)
    assert info.valid_metric == "validation CCC loss" and 0 < info.valid_score < 2
    assert list(info.task.names) == NAMES and info.model.outputs == 3
    assert "1 − CCC" in semanticmac(walked, "runs").stdout


def test_eval_has_every_score_beside_constants_and_intervals(walked):
    done = semanticmac(walked, "eval", "--calibration")
    for name in NAMES:
        for metric in ("CCC", "Corr", "MAE"):
            assert f"{metric} ({name})" in done.stdout
        assert f"prediction against truth, {name}" in done.stdout
        assert f"90 % intervals of {name} of ±" in done.stdout
    assert "judged by mean CCC" in done.stdout and "mean MAE" not in done.stdout
    [run] = (walked / "runs").glob("folder-*")
    stored = json.loads((run / "eval-test.json").read_text())
    assert stored["main"] == "mean CCC" and len(stored["intervals"]) == 11
    assert [part["name"] for part in stored["runs"][0]["baselines"]] == [
        "train mean",
        "train median",
    ]
    answer = semanticmac(walked, "eval", "--calibration", "--json").stdout
    assert [part["name"] for part in json.loads(answer)["agreements"]] == NAMES


def test_predict_writes_every_score_with_its_interval(walked, clips):
    video = clips / "clip30.mp4"
    shown = semanticmac(walked, "predict", video, "--encoder", "imagebind-tiny").stdout
    for name in NAMES:
        assert name in shown
    answer = semanticmac(walked, "predict", video, "--encoder", "imagebind-tiny", "--json").stdout
    content = json.loads(answer)
    assert [each["name"] for each in content["dimensions"]] == NAMES
    [prediction] = content["predictions"]
    assert len(prediction["scores"]["multimodal"]) == len(prediction["intervals"]) == 3
    assert prediction["interval"] is None and prediction["probabilities"] == {}
    ranges = [(each["low"], each["high"]) for each in content["dimensions"]]
    for (low, high), bounds in zip(ranges, prediction["intervals"], strict=True):
        assert low <= bounds[0] <= bounds[1] <= high

    for ending in ("csv", "jsonl"):
        out = walked / f"results.{ending}"
        semanticmac(walked, "predict", video, "--encoder", "imagebind-tiny", "--out", out)
        if ending == "csv":
            [row] = csv.DictReader(out.open(encoding="utf-8-sig"))
        else:
            row = json.loads(out.read_text().splitlines()[-1])
        for number, name in enumerate(NAMES):
            value = prediction["scores"]["multimodal"][number]
            assert float(row[name]) == pytest.approx(value, abs=1e-5)
            assert float(row[f"{name} low"]) <= float(row[f"{name} high"])
            assert row[f"audio {name}"] != ""


def test_python_has_the_same_prediction(walked, clips):
    [run] = (walked / "runs").glob("folder-*")
    model = package.load(run, encoder="imagebind-tiny", on_note=print)
    prediction = model.predict(clips / "clip30.mp4")
    assert len(prediction.score) == len(prediction.intervals) == 3
    assert prediction.interval is None and prediction.task.names == tuple(NAMES)
    assert prediction.summary.startswith("valence ") and "arousal " in prediction.summary


def test_report_analyses_and_export_know_every_score(walked):
    semanticmac(
        walked, "analyze", "calibration", "cases", "labels", "embedding", "probe", "missing"
    )
    [run] = (walked / "runs").glob("folder-*")
    table = (run / "analysis/calibration.csv").read_text()
    for name in NAMES:
        assert name in table
    semanticmac(walked, "report", run)
    [page] = run.glob("*.html")
    text = page.read_text()
    for name in NAMES:
        assert f"CCC ({name})" in text
    semanticmac(walked, "export", run, walked / "away")
    card = (walked / "away/README.md").read_text()
    assert "valence from -3 to 3, arousal from 1 to 5, effort from 0 to 100" in card


def test_the_leaderboard_compares_models_on_every_score(walked):
    done = semanticmac(
        walked, "leaderboard", "--dataset", "folder", "--models", "audio,svm,concat",
        "--trials", 1, "--seeds", "1", "--set", "epochs=1", "--set", "batch_size=8",
        "--set", 'modalities=["audio", "vision"]',
    )  # fmt: skip
    assert "mean CCC" in done.stdout and "train mean" in done.stdout


def test_a_loss_that_cannot_be_measured_is_refused(walked, clips, tmp_path):
    words = ["train", "--from-cache", *TRAIN, "--set", "batch_size=1"]
    refused = semanticmac(walked, *words, expect=2)
    assert "regression_loss=ccc compares the clips of a batch" in refused.stderr
    table = (clips / "clips.csv").read_text().replace("score_effort[0:100]", "score_effort[0:40]")
    (tmp_path / "clips.csv").write_text(table)
    wrong = semanticmac(tmp_path, "cache", "folder", "--root", tmp_path, expect=2)
    assert "of effort lies outside 0.0 … 40.0" in " ".join(wrong.stderr.split())
