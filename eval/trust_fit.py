"""Fits what a run knows of its own reliability, and keeps it in the run folder (trust.safetensors).

Train clips give the density of features, validation clips the intervals and the temperature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.cache.manifest import Row
from semanticmac.cache.records import Embeddings
from semanticmac.core import FRAME_MODALITIES, Task
from semanticmac.eval.calibration import fit_temperature
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import labelled
from semanticmac.eval.pooling import pool_rows
from semanticmac.eval.trust import FeatureDensity, conformal_half_width, coverage, interval
from semanticmac.run.digests import WEIGHTS
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.predictions import Predictions

FILE = "trust.safetensors"
# More train clips do not make the density better, and take memory.
MAX_CLIPS = 4096
# Of train and of validation: with fewer, the farthest twentieth of them is less than one clip.
MIN_CLIPS = 20


@dataclass(frozen=True)
class Trust:
    """What a run knows of its own reliability."""

    weights: str  # SHA-256 of the weights that it belongs to
    # Half the width of the 90 % interval of each score, None: too few validation clips. Empty for
    # classes.
    half_widths: tuple[float | None, ...]
    temperature: float  # logits / temperature are calibrated; 1 for scores
    densities: dict[str, FeatureDensity]  # by modality, of the modalities with enough clips

    def intervals(
        self, task: Task, scores: Sequence[float]
    ) -> tuple[tuple[float, float] | None, ...]:
        """The interval around each score of a clip; empty where none is known."""
        if all(half_width is None for half_width in self.half_widths):
            return ()
        bounds: list[tuple[float, float] | None] = []
        for dimension, score, half_width in zip(
            task.dimensions, scores, self.half_widths, strict=True
        ):
            if half_width is None:
                bounds.append(None)
            else:
                bounds.append(interval(dimension, score, half_width))
        return tuple(bounds)

    def unusual(self, embeddings: Embeddings) -> tuple[str, ...]:
        """The modalities in which a clip is unlike the train clips."""
        names: list[str] = []
        for modality, density in self.densities.items():
            rows = getattr(embeddings, modality)
            if rows is not None and density.is_unusual(pool_rows(rows)):
                names.append(modality)
        return tuple(names)


@dataclass(frozen=True)
class TrustReport:
    """How the promises hold on the labelled clips of one split."""

    names: tuple[str, ...]  # of the scores; empty for classes
    half_widths: tuple[float | None, ...]
    covered: tuple[float | None, ...]  # share of the truths of each score inside their interval
    unusual: float | None  # share of the clips that are flagged; None: there is no density


def update_trust(folder: Path, data: EvalData, result: Evaluation) -> TrustReport:
    """Fits the trust of a run where it is not there yet, and reports how it holds on a split."""
    trust = None
    with suppress(RunError):  # a damaged file is written again
        trust = read_trust(folder, data.trained.info)
    if trust is None:
        trust = fit_trust(data, data.predict(data.rows("valid")))
        write_trust(folder, trust)
    return report_trust(data, trust, result.split, result.predictions)


def fit_trust(data: EvalData, valid: Predictions) -> Trust:
    """valid: the predictions of the validation clips."""
    task = data.trained.info.task
    half_widths: list[float | None] = []
    temperature = 1.0
    truth, outputs = labelled(task, valid.truth, valid.multimodal, "valid")
    if task.kind == "regression":
        for errors in np.abs(truth - outputs).T:
            width = conformal_half_width(errors[~np.isnan(errors)])
            half_widths.append(width if np.isfinite(width) else None)
    else:
        temperature = fit_temperature(task, truth, outputs)
    densities: dict[str, FeatureDensity] = {}
    for modality in FRAME_MODALITIES:
        if modality not in data.trained.info.model.modalities:
            continue
        train = _features(data, data.manifest.split("train"), modality)
        held_out = _features(data, data.manifest.split("valid"), modality)
        if len(train) >= MIN_CLIPS and len(held_out) >= MIN_CLIPS:
            densities[modality] = FeatureDensity.fit(train, held_out)
    return Trust(
        data.trained.info.files.get(WEIGHTS, ""), tuple(half_widths), temperature, densities
    )


def report_trust(data: EvalData, trust: Trust, split: str, predictions: Predictions) -> TrustReport:
    """How the intervals and flags hold on a split, whose labels were not used to fit them."""
    dimensions = data.trained.info.task.dimensions
    covered: list[float | None] = []
    for place, (dimension, half_width) in enumerate(
        zip(dimensions, trust.half_widths, strict=True)
    ):
        truth, prediction = predictions.truth[:, place], predictions.multimodal[:, place]
        share = None
        if half_width is not None:
            share = coverage(dimension, truth, prediction, half_width)
        covered.append(share)
    flagged: list[bool] = []
    for row in data.manifest.split(split):
        if row.has_vision or row.has_audio:
            flagged.append(bool(trust.unusual(data.reader.get(row.key))))
    unusual = float(np.mean(flagged)) if flagged and trust.densities else None
    names = tuple(dimension.name for dimension in dimensions)
    return TrustReport(names, trust.half_widths, tuple(covered), unusual)


def _features(data: EvalData, rows: Sequence[Row], modality: str) -> Floats:
    """(N, 2·E) pooled features of the clips that have a modality, at most MAX_CLIPS of them."""
    step = max(1, -(-len(rows) // MAX_CLIPS))
    features: list[Floats] = []
    for row in rows[::step]:
        if not (row.has_vision or row.has_audio):
            continue
        frames = getattr(data.reader.get(row.key), modality)
        if frames is not None:
            features.append(pool_rows(frames))
    return np.array(features)


def write_trust(folder: Path, trust: Trust) -> None:
    """Writes trust.safetensors into a run folder."""
    tensors: dict[str, np.ndarray] = {}
    numbers: dict[str, object] = {
        "weights": trust.weights,
        "half_widths": list(trust.half_widths),
        "temperature": trust.temperature,
        "densities": {},
    }
    scalars: dict[str, dict[str, float]] = {}
    for modality, density in trust.densities.items():
        for name in ("mean", "deviation", "directions", "variances"):
            tensors[f"{modality}.{name}"] = np.ascontiguousarray(getattr(density, name))
        scalars[modality] = {"rest": density.rest, "threshold": density.threshold}
    numbers["densities"] = scalars
    text = json.dumps(numbers)
    # One entry: safetensors writes several in any order.
    metadata = {"trust": f"{_checksum(text, tensors)} {text}"}
    with atomic_write(folder / FILE) as temporary:
        save_file(tensors, temporary, metadata)


def read_trust(folder: Path, info: RunInfo) -> Trust | None:
    """The trust of a run; None where `eval` has not written it, or wrote it for other weights.

    Raises RunError where the file is damaged or was changed.
    """
    path = folder / FILE
    if not path.exists():
        return None
    damaged = f"{path} is damaged or was changed: `semanticmac eval --run {folder}` writes it again"
    try:
        with safe_open(path, framework="np") as file:
            checksum, _, text = file.metadata()["trust"].partition(" ")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if checksum != _checksum(text, tensors):
                raise RunError(damaged)
            numbers = json.loads(text)
            densities: dict[str, FeatureDensity] = {}
            for modality, scalars in numbers["densities"].items():
                densities[modality] = FeatureDensity(
                    tensors[f"{modality}.mean"],
                    tensors[f"{modality}.deviation"],
                    tensors[f"{modality}.directions"],
                    tensors[f"{modality}.variances"],
                    scalars["rest"],
                    scalars["threshold"],
                )
        half_widths = _half_widths(numbers, len(info.task.dimensions))
        if len(half_widths) != len(info.task.dimensions):
            raise RunError(damaged)
        trust = Trust(numbers["weights"], half_widths, numbers["temperature"], densities)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        raise RunError(damaged) from None
    return trust if trust.weights == info.files.get(WEIGHTS, "") else None


def _half_widths(numbers: Mapping[str, Any], scores: int) -> tuple[float | None, ...]:
    """Those of each score; older files have one number for a single score, null for classes."""
    if "half_widths" in numbers:
        return tuple(numbers["half_widths"])
    return (numbers["half_width"],) * scores


def _checksum(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 (hex) of all numbers in the file."""
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        sha.update(name.encode() + tensors[name].tobytes())
    return sha.hexdigest()
