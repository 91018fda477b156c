"""The finished trials and seeds of a leaderboard as one Leaderboard record."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from semanticmac import __version__
from semanticmac.eval.leaderboard.quotes import quotes_of
from semanticmac.eval.leaderboard.result import Cost, Leaderboard, ModelRow, SeedResult
from semanticmac.eval.leaderboard.significance import (
    against_best,
    ranks,
    resample_means,
    resamples_for,
)
from semanticmac.eval.metrics.scores import Scores, score
from semanticmac.eval.missing.curve import read_curve
from semanticmac.eval.missing.summary import MissingSummary, summarise
from semanticmac.eval.report.paper import quoted_clips
from semanticmac.run.device import device_name
from semanticmac.run.dialogues import context_words
from semanticmac.run.folder import FAILURE
from semanticmac.run.metric import Metric, mean_and_std, values_by_name
from semanticmac.run.notes import stream_notes
from semanticmac.train.config import DECIDED
from semanticmac.train.data import TrainData, TrainError, resolve
from semanticmac.train.experiments.leaderboard.begun import require_same_seeds
from semanticmac.train.experiments.leaderboard.entrants import SVM, Entrant
from semanticmac.train.experiments.leaderboard.request import (
    Request,
    Tuned,
    seed_config,
    seed_folder,
)
from semanticmac.train.experiments.leaderboard.scored import FILE, SPLIT, ScoredSeed
from semanticmac.train.experiments.leaderboard.svm import DEFAULTS
from semanticmac.train.experiments.leaderboard.svm import SPACE as SVM_SPACE
from semanticmac.train.experiments.search_space import plain


@dataclass(frozen=True)
class _Measured:
    """A row, and the scored seeds that its numbers come from."""

    row: ModelRow
    scored: tuple[ScoredSeed, ...]
    lacking: tuple[str, ...] = ()  # protocols of missing data that a seed was not scored under


def collect(request: Request, every_tuned: Sequence[Tuned], device: torch.device) -> Leaderboard:
    """every_tuned: the trials of each entrant, as run_leaderboard returns them.

    Raises TrainError if every seed of every model failed, and ConfigError if a seed was trained
    with other settings or data.
    """
    for entrant, tuned in zip(request.entrants, every_tuned, strict=True):
        require_same_seeds(entrant, tuned, request, device)
    data = request.data_of(request.entrants[0])
    measured = []
    for entrant, tuned in zip(request.entrants, every_tuned, strict=True):
        measured.append(_measured(entrant, tuned, request))
    scored = _all_scored(measured)
    if not scored:
        reasons: set[str | None] = set()
        for part in measured:
            reasons.update(seed.failure for seed in part.row.seeds)
        raise TrainError(f"no model of the leaderboard was trained: {'; '.join(map(str, reasons))}")
    corpus, task = data.manifest.corpus, data.task
    constants = _constants(scored[0], data)
    main = constants.main
    metrics = tuple(replace(metric, value=None) for metric in scored[0].metrics)
    rows = []
    for baseline in constants.baselines:
        seeds = (SeedResult(0, metrics=values_by_name(baseline.metrics)),)
        summary = "the same prediction for every clip"
        rows.append(ModelRow(baseline.name, "constant", summary, seeds=seeds))
    rows += _compared(measured, corpus, data, main, _higher_is_better(metrics, main))
    lacking = []
    for part in measured:
        lacking += [f"{part.row.name}: {note}" for note in part.lacking]
    return Leaderboard(
        dataset=data.manifest.dataset,
        corpus=corpus,
        task=task.kind,
        main=main,
        metrics=metrics,
        clips=_clips(data),
        paper_clips=quoted_clips(corpus, SPLIT),
        data={name: each.digest for name, each in request.data.items()},
        embeddings={name: each.streams.describe() for name, each in request.data.items()},
        trials=request.trials,
        seeds=request.seeds,
        shared=_shared(request),
        device=device_name(device),
        versions={
            "semanticmac": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        rows=tuple(rows),
        notes=(*_data_notes(request), *lacking),
    )


def _all_scored(measured: Sequence[_Measured]) -> list[ScoredSeed]:
    scored: list[ScoredSeed] = []
    for part in measured:
        scored += part.scored
    return scored


def _data_notes(request: Request) -> list[str]:
    """Remarks on the streams, and the clips that an encoder refused, of every choice."""
    notes: dict[str, None] = {}
    for data in request.data.values():
        notes |= dict.fromkeys((*stream_notes(data.streams), *data.notes))
    return list(notes)


def _measured(entrant: Entrant, tuned: Tuned, request: Request) -> _Measured:
    summary, reference, notes = entrant.about()
    scored: list[ScoredSeed] = []
    seeds: list[SeedResult] = []
    for seed in request.seeds:
        folder = seed_folder(entrant, tuned, seed, request.folder)
        if (folder / FILE).exists():
            scored.append(ScoredSeed.read(folder))
            seeds.append(scored[-1].result)
        else:
            seeds.append(SeedResult(seed, failure=_failure(folder)))
    missing, lacking = _missing(entrant, tuned, request)
    finished = [point for point in tuned.points if point.score is not None]
    row = ModelRow(
        entrant.name,
        "fitted" if entrant.model == SVM else "trained",
        summary,
        reference,
        entrant.streams,
        _settings(entrant, tuned, request),
        SVM_SPACE if entrant.model == SVM else plain(entrant.space),
        trials=len(finished),
        failed_trials=tuned.failed,
        seeds=tuple(seeds),
        cost=_cost(scored),
        quotes=quotes_of(entrant.model, request.data_of(entrant).manifest.corpus),
        notes=(*notes, *lacking),
        context="" if entrant.model == SVM else context_words(entrant.config.model),
        missing=missing,
    )
    return _Measured(row, tuple(scored), tuple(lacking))


def _missing(
    entrant: Entrant, tuned: Tuned, request: Request
) -> tuple[tuple[MissingSummary, ...], list[str]]:
    """The curves of the seeds by protocol, and a note for each protocol that a seed lacks."""
    summaries, notes = [], []
    for asked in request.missing:
        curves, lacking = [], []
        for seed in request.seeds:
            folder = seed_folder(entrant, tuned, seed, request.folder)
            if not (folder / FILE).exists():
                continue
            curve = read_curve(folder, asked.protocol, SPLIT)
            if curve is None or not curve.answers(asked):
                lacking.append(folder.name)
            else:
                curves.append(curve)
        if curves:
            summaries.append(summarise(curves))
        if lacking:
            notes.append(
                f"missing data, {asked.protocol}: not scored in {', '.join(lacking)}, whose "
                "weights were removed; remove these folders, and the same command trains them again"
            )
    return tuple(summaries), notes


def _failure(folder: Path) -> str:
    path = folder / FAILURE
    return path.read_text(encoding="utf-8").strip() if path.exists() else "not trained"


def _settings(entrant: Entrant, tuned: Tuned, request: Request) -> dict[str, Any]:
    """The settings of the seeds that differ between models, without the seed."""
    if entrant.model == SVM:
        return DEFAULTS | ({} if tuned.best is None else tuned.best.settings)
    config = seed_config(entrant, tuned, request.seeds[0])
    settings = {}
    for key, value in config.flat().items():
        if key not in DECIDED and key != "seed":
            settings[key] = list(value) if isinstance(value, tuple) else value
    return settings


def _cost(scored: Sequence[ScoredSeed]) -> Cost:
    """Parameters of the first seed, mean seconds, greatest peak."""
    if not scored:
        return Cost()
    seconds, peaks = [], []
    for each in scored:
        if each.cost.seconds_per_epoch is not None:
            seconds.append(each.cost.seconds_per_epoch)
        if each.cost.peak_memory_bytes is not None:
            peaks.append(each.cost.peak_memory_bytes)
    first = scored[0].cost
    return Cost(
        first.parameters,
        first.trained_parameters,
        float(np.mean(seconds)) if seconds else None,
        max(peaks, default=None),
    )


def _compared(
    measured: Sequence[_Measured], corpus: str, data: TrainData, main: str, higher: bool
) -> list[ModelRow]:
    """The rows with rank and significance. Rows without a score of the main metric have neither."""
    scores: dict[str, float] = {}
    for part in measured:
        mean = mean_and_std(part.row.values(main))[0] if part.scored else None
        if mean is not None:
            scores[part.row.name] = mean
    places = ranks(scores, higher)
    against = {}
    if len(places) > 1:
        models = {}
        for part in measured:
            if part.row.name in scores:
                models[part.row.name] = [each.for_bootstrap for each in part.scored]
        truth = _same_truth(measured)
        resamples = resamples_for(len(models) - 1)
        means = resample_means(corpus, data.task, truth, models, main, resamples)
        against = against_best(means, scores, min(places, key=places.__getitem__))
    rows = []
    for part in measured:
        name = part.row.name
        rows.append(replace(part.row, rank=places.get(name), against=against.get(name)))
    return rows


def _same_truth(measured: Sequence[_Measured]) -> np.ndarray:
    """The truth of the test clips, which every seed has in the same order."""
    scored = _all_scored(measured)
    first = scored[0]
    for each in scored:
        same = np.array_equal(each.truth, first.truth, equal_nan=True)
        if each.clip_ids != first.clip_ids or not same:
            raise TrainError(
                "the seeds were scored on different test clips: the cache has changed since. "
                "Start a new leaderboard in another --runs folder"
            )
    return first.truth


def _constants(scored: ScoredSeed, data: TrainData) -> Scores:
    """Scores that hold the constant baselines on the same clips."""
    truth = data.train.labels(data.task.width).double().numpy()
    return score(
        data.manifest.corpus,
        data.task,
        scored.truth,
        scored.prediction,
        train_truth=truth[~np.isnan(truth).all(axis=1)],
        valid=scored.valid,
    )


def _higher_is_better(metrics: Sequence[Metric], main: str) -> bool:
    for metric in metrics:
        if metric.name == main:
            return metric.higher_is_better
    raise ValueError(f"there is no metric {main!r}")


def _clips(data: TrainData) -> dict[str, int]:
    test = data.manifest.labelled(SPLIT)
    return {"train": len(data.train), "valid": len(data.valid), SPLIT: len(test)}


def _shared(request: Request) -> dict[str, Any]:
    """Settings that have one value in all models and that no model draws."""
    flats: list[Mapping[str, Any]] = []
    drawn: set[str] = set()
    for entrant in request.entrants:
        if entrant.model != SVM:
            flats.append(resolve(entrant.config, request.data_of(entrant)).flat())
            drawn |= entrant.space.keys()
    shared = {}
    for key, value in flats[0].items() if flats else ():
        same = all(key in flat and flat[key] == value for flat in flats)
        if same and key not in drawn and key not in DECIDED and key != "seed":
            shared[key] = list(value) if isinstance(value, tuple) else value
    return shared
