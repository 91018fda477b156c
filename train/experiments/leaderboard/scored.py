"""scored.json: test predictions and scores of one seed, and what its training took."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.layout import CacheLayout
from semanticmac.core import MODALITIES, SUB_TASKS
from semanticmac.eval.evaluate import evaluate
from semanticmac.eval.leaderboard.result import Cost, SeedResult
from semanticmac.eval.leaderboard.significance import SeedPrediction
from semanticmac.eval.metrics.scores import Pair, score
from semanticmac.eval.missing.request import MissingRequest
from semanticmac.model.parameters import count_parameters
from semanticmac.run.metric import Metric, values_by_name
from semanticmac.run.predictions import Predictions
from semanticmac.run.weights import load_run
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainData, resolve
from semanticmac.train.experiments.leaderboard.missing import FittedSVM, score_missing_of_svm
from semanticmac.train.experiments.leaderboard.svm import (
    DEFAULTS,
    READS,
    Pooler,
    draw,
    fit,
    outputs,
)
from semanticmac.train.experiments.optuna_study import Point
from semanticmac.train.resume import require_equal
from semanticmac.train.validation import validation_score

FILE = "scored.json"
SVM_TRIALS = "trials.json"
SVM_SETTINGS = "svm.json"  # what a fitted SVM has read
SPLIT = "test"  # every row is scored on it


@dataclass(frozen=True)
class ScoredSeed:
    """The content of scored.json."""

    result: SeedResult
    cost: Cost
    metrics: tuple[Metric, ...]
    clip_ids: tuple[str, ...]
    truth: np.ndarray  # (N, K), NaN = not labelled
    prediction: np.ndarray  # (N, K) scores or logits
    valid: Pair | None  # of validation, for tasks that choose thresholds there

    @property
    def for_bootstrap(self) -> SeedPrediction:
        return SeedPrediction(self.prediction, self.valid)

    def write(self, folder: Path) -> None:
        content: dict[str, Any] = {
            "result": asdict(self.result),
            "cost": asdict(self.cost),
            "metrics": [asdict(metric) for metric in self.metrics],
            "clip_ids": list(self.clip_ids),
            "truth": _lists(self.truth),
            "prediction": _lists(self.prediction),
            "valid": None if self.valid is None else [_lists(side) for side in self.valid],
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / FILE, json.dumps(content, allow_nan=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> ScoredSeed:
        """Raises ConfigError for a damaged file."""
        try:
            content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(
                f"{folder / FILE} is damaged ({error}): remove {folder}, and the seed is trained "
                "again"
            ) from None
        metrics = []
        for metric in content["metrics"]:
            metrics.append(Metric(**{**metric, "paper_keys": tuple(metric["paper_keys"])}))
        valid = None
        if content["valid"] is not None:
            valid = (_array(content["valid"][0]), _array(content["valid"][1]))
        return cls(
            SeedResult(**content["result"]),
            Cost(**content["cost"]),
            tuple(metrics),
            tuple(content["clip_ids"]),
            _array(content["truth"]),
            _array(content["prediction"]),
            valid,
        )


def score_run(run: Path, cost: Cost, layout: CacheLayout, split: str, device: torch.device) -> None:
    """Scores a trained run and writes its eval-SPLIT.json and scored.json."""
    trained = load_run(run, device)
    evaluation = evaluate(trained, layout, split, device)
    evaluation.write(run)
    every, learned = count_parameters(trained.model)
    info = trained.info
    _write(
        run,
        SeedResult(info.seed, info.best_epoch, info.valid_score),
        replace(cost, parameters=every, trained_parameters=learned),
        evaluation.scores.metrics,
        evaluation.predictions,
        evaluation.valid,
    )


def search_svm(
    config: TrainConfig, trials: int, data: TrainData, device: torch.device, folder: Path
) -> list[Point]:
    """Fits the trials and scores them on validation; they are kept in trials.json."""
    finished = points_of_svm(config, trials, data, device, folder)
    if finished is not None:
        return finished
    config = resolve(config, data, device)
    pooler = Pooler(config.model, device)
    train, valid = (pooler(split, data.task.width) for split in (data.train, data.valid))
    points = []
    for number in range(trials):
        settings = draw(config.seed, number)
        try:
            models = fit(data.task, train, settings)
        except ValueError as error:  # one class alone in train, for example
            points.append(Point(number, settings, failure=str(error)))
            continue
        predicted = outputs(data.task, models, valid)
        predictions = _predictions(valid.clip_ids, valid.truth, predicted)
        value = validation_score(data.task, predictions, config.regression_loss).value
        points.append(Point(number, settings, value))
    content = {"asked": _read_by_svm(config, data), "points": [asdict(point) for point in points]}
    write_text(folder / SVM_TRIALS, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return points


def points_of_svm(
    config: TrainConfig, trials: int, data: TrainData, device: torch.device, folder: Path
) -> list[Point] | None:
    """The trials of trials.json. None: there are not as many as are asked for.

    Raises ConfigError if they were drawn with other settings or data.
    """
    path = folder / SVM_TRIALS
    if not path.exists():
        return None
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        asked, points = saved["asked"], [Point(**point) for point in saved["points"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is damaged ({error!r}): remove it, and its trials are searched again"
        ) from None
    _require_same(f"{path} was written", asked, resolve(config, data, device), data)
    return points[:trials] if len(points) >= trials else None


def require_same_svm(folder: Path, config: TrainConfig, data: TrainData) -> None:
    """Raises ConfigError if the SVM in this folder was fitted with other settings or data.

    config: resolved. A folder of an earlier version does not say what it read.
    """
    path = folder / SVM_SETTINGS
    if path.exists():
        try:
            saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(
                f"{path} is damaged ({error}): remove {folder}, and it is fitted again"
            ) from None
        _require_same(f"{folder} was fitted", saved, config, data)


def _require_same(
    what: str, saved: Mapping[str, Any], config: TrainConfig, data: TrainData
) -> None:
    asked = _read_by_svm(config, data)
    # Earlier versions wrote the number of trials, and no settings.
    known = {key: value for key, value in saved.items() if key != "trials"}
    require_equal(what, known, {key: asked[key] for key in known})


def _read_by_svm(config: TrainConfig, data: TrainData) -> dict[str, Any]:
    """What the SVM reads: the settings, without those of a fusion, and the data."""
    settings = config.flat()
    read: dict[str, Any] = {"seed": config.seed, "data": data.digest}
    for key in READS:
        value = settings[key]
        read[key] = list(value) if isinstance(value, tuple) else value
    return read


def fit_svm_seed(
    config: TrainConfig,
    settings: dict[str, Any],
    data: TrainData,
    device: torch.device,
    folder: Path,
    missing: Sequence[MissingRequest] = (),
) -> str | None:
    """Fits the SVM with these settings and scores it on test → why it failed, or None."""
    config = resolve(config, data, device)
    pooler, task = Pooler(config.model, device), data.task
    test_clips = data.train.with_rows(data.manifest.split(SPLIT))
    train, valid = pooler(data.train, task.width), pooler(data.valid, task.width)
    test = pooler(test_clips, task.width)
    began = time.monotonic()
    try:
        models = fit(task, train, {**DEFAULTS, **settings})
    except ValueError as error:  # one class alone in train, for example
        return str(error)
    seconds = time.monotonic() - began
    of_valid = outputs(task, models, valid)
    predictions = _predictions(valid.clip_ids, valid.truth, of_valid)
    valid_score = validation_score(task, predictions, config.regression_loss).value

    pair = (valid.truth, of_valid) if task.kind == "multi-label" else None
    predicted = outputs(task, models, test)
    train_truth = train.truth[~np.isnan(train.truth).all(axis=1)]
    scores = score(
        data.manifest.corpus, task, test.truth, predicted, train_truth=train_truth, valid=pair
    )
    fitted = FittedSVM(pooler, models, data, train_truth)
    for request in missing:
        score_missing_of_svm(fitted, request, SPLIT).write(folder)
    write_text(folder / SVM_SETTINGS, json.dumps(_read_by_svm(config, data), indent=1) + "\n")
    language = pooler.language
    every = 0 if language is None else count_parameters(language)[0]
    _write(
        folder,
        SeedResult(config.seed, None, valid_score),
        Cost(every, 0, seconds, None),
        scores.metrics,
        _predictions(test.clip_ids, test.truth, predicted),
        pair,
    )
    return None


def _write(
    folder: Path,
    result: SeedResult,
    cost: Cost,
    metrics: tuple[Metric, ...],
    predictions: Predictions,
    valid: Pair | None,
) -> None:
    ScoredSeed(
        replace(result, metrics=values_by_name(metrics)),
        cost,
        metrics,
        predictions.clip_ids,
        predictions.truth,
        predictions.multimodal,
        valid,
    ).write(folder)


def _predictions(clip_ids: tuple[str, ...], truth: np.ndarray, logits: np.ndarray) -> Predictions:
    """The SVM has the multimodal output alone."""
    heads = np.full((len(logits), len(SUB_TASKS), logits.shape[1]), np.nan)
    heads[:, 0] = logits
    present = np.ones((len(logits), len(MODALITIES)), dtype=bool)
    return Predictions(clip_ids, truth, heads, present)


def _lists(array: np.ndarray) -> list[list[float | None]]:
    """JSON has no NaN."""
    rows = []
    for row in array.tolist():
        rows.append([None if value != value else value for value in row])
    return rows


def _array(rows: list[list[float | None]]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)
