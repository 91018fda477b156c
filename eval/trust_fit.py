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
from semanticmac.eval.analysis.thumbnails import previews
from semanticmac.eval.calibration import fit_temperature
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import labelled
from semanticmac.eval.picture_features import picture_features
from semanticmac.eval.pooling import pool_rows
from semanticmac.eval.trust import (
    MIN_ERRORS,
    UNUSUAL_SHARE,
    FeatureDensity,
    conformal_half_width,
    coverage,
    interval,
)
from semanticmac.run.digests import WEIGHTS
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.predictions import Predictions

FILE = "trust.safetensors"
# More train clips do not make the density better, and take memory.
MAX_CLIPS = 4096
# Of train, of validation and of a split that is reported: their frames are decoded.
MAX_PICTURES = 500
# The density of the middle frame itself; the others are of the embeddings of a modality.
FRAME = "frame"
# A clip so many times longer than the longest train clip, or shorter than the shortest, is unusual.
FAR_LENGTH = 2.0
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
    # By modality, of the modalities with enough clips; `frame`: of the middle frame itself.
    densities: dict[str, FeatureDensity]
    # Length of the shortest and the longest train clip; None: not known.
    lengths_s: tuple[float, float] | None = None

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

    def notes(self, task: Task) -> tuple[str, ...]:
        """A remark on the scores that have no interval; empty where each has one."""
        return no_interval_notes(task.names, self.half_widths)

    def unusual(self, embeddings: Embeddings, frame: np.ndarray | None = None) -> tuple[str, ...]:
        """The modalities in which a clip is unlike the train clips.

        frame: (H, W, 3) uint8 in the middle of the clip; None: it is not looked at.
        """
        names: list[str] = []
        for modality in FRAME_MODALITIES:
            features: list[tuple[str, Floats]] = []
            rows = getattr(embeddings, modality)
            if rows is not None:
                features.append((modality, pool_rows(rows)))
            if modality == "vision" and frame is not None:
                features.append((FRAME, picture_features(frame)))
            for name, values in features:
                density = self.densities.get(name)
                if density is not None and density.is_unusual(values) and modality not in names:
                    names.append(modality)
        return tuple(names)

    def unusual_length(self, seconds: float) -> bool:
        """Whether a clip is far shorter or far longer than every train clip."""
        if self.lengths_s is None:
            return False
        shortest, longest = self.lengths_s
        return seconds < shortest / FAR_LENGTH or seconds > longest * FAR_LENGTH


@dataclass(frozen=True)
class TrustReport:
    """How the promises hold on the labelled clips of one split."""

    names: tuple[str, ...]  # of the scores; empty for classes
    half_widths: tuple[float | None, ...]
    covered: tuple[float | None, ...]  # share of the truths of each score inside their interval
    unusual: float | None  # share of the clips that are flagged; None: there is no density


def no_interval_notes(names: Sequence[str], half_widths: Sequence[float | None]) -> tuple[str, ...]:
    """A remark on the scores that have no interval; half_widths: one for each, or empty."""
    lacking: list[str] = []
    for name, half_width in zip(names, half_widths, strict=False):
        if half_width is None:
            lacking.append(name)
    if not lacking:
        return ()
    of_names = "" if len(names) == 1 else f" of {', '.join(lacking)}"
    return (
        f"no 90 % interval{of_names}: fewer than {MIN_ERRORS} validation clips have that score",
    )


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
    weights = data.trained.info.files.get(WEIGHTS, "")
    densities = _fit_densities(data)
    lengths_s = _train_lengths_s(data)
    return Trust(weights, tuple(half_widths), temperature, densities, lengths_s)


def _fit_densities(data: EvalData) -> dict[str, FeatureDensity]:
    """Together they flag no more than UNUSUAL_SHARE of the validation clips."""
    features: dict[str, tuple[Floats, Floats]] = {}
    splits = data.manifest.split("train"), data.manifest.split("valid")
    for modality in FRAME_MODALITIES:
        if modality in data.trained.info.model.modalities:
            train, held_out = (_features(data, rows, modality) for rows in splits)
            features[modality] = train, held_out
    if "vision" in features:
        train, held_out = (_picture_features(data, rows) for rows in splits)
        features[FRAME] = train, held_out
    usable: dict[str, tuple[Floats, Floats]] = {}
    for name, (train, held_out) in features.items():
        if len(train) >= MIN_CLIPS and len(held_out) >= MIN_CLIPS:
            usable[name] = train, held_out
    densities: dict[str, FeatureDensity] = {}
    for name, (train, held_out) in usable.items():
        share = UNUSUAL_SHARE / len(usable)
        densities[name] = FeatureDensity.fit(train, held_out, share)
    return densities


def _picture_features(data: EvalData, rows: Sequence[Row]) -> Floats:
    """(N, 15) of the middle frames of at most MAX_PICTURES clips whose frames are cached."""
    chosen = rows[:: max(1, -(-len(rows) // MAX_PICTURES))]
    features: list[Floats] = []
    for frame in _middle_frames(data, chosen):
        if frame is not None:
            features.append(picture_features(frame))
    return np.array(features)


def _middle_frames(data: EvalData, rows: Sequence[Row]) -> list[np.ndarray | None]:
    """The middle frame of each clip as a thumbnail; None where no frame is cached."""
    frames: list[np.ndarray | None] = []
    for preview in previews(data.layout, rows, data.streams.sampling.frames_per_s, count=1):
        frames.append(preview.frames[0] if preview.frames else None)
    return frames


def _train_lengths_s(data: EvalData) -> tuple[float, float] | None:
    """None for imported features, whose clips have no length."""
    lengths = [row.duration_s for row in data.manifest.split("train") if row.duration_s > 0]
    return (min(lengths), max(lengths)) if lengths else None


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
    rows = [row for row in data.manifest.split(split) if row.has_vision or row.has_audio]
    rows = rows[:: max(1, -(-len(rows) // MAX_PICTURES))]
    flagged: list[bool] = []
    for row, frame in zip(rows, _middle_frames(data, rows), strict=True):
        flagged.append(bool(trust.unusual(data.reader.get(row.key), frame)))
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
        "lengths_s": None if trust.lengths_s is None else list(trust.lengths_s),
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
        # Older files have no lengths.
        lengths_s = numbers.get("lengths_s")
        trust = Trust(
            numbers["weights"],
            half_widths,
            numbers["temperature"],
            densities,
            None if lengths_s is None else (float(lengths_s[0]), float(lengths_s[1])),
        )
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
