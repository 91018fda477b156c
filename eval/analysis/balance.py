"""balance: do the modalities cover the multimodal representation, or does one dominate?

Improved precision and recall (Kynkäänniemi et al. 2019). A set of points covers a ball around each
of its points, up to the k-th nearest other point of the set. Precision: the share of unimodal
points that the multimodal ones cover. Recall: the share of multimodal points that the unimodal ones
cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from semanticmac.core import MODALITIES
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    AnalysisResult,
    Axes,
    NumberTable,
    axes,
    colour_of,
    figure,
    styled,
)
from semanticmac.eval.analysis.represent import (
    Representations,
    represent,
    require_semanticmac,
    unit,
)
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.report.formatting import percent
from semanticmac.model.network import SemanticMAC

TITLE = "Balance of the modalities"
NEIGHBOURS = 3  # k, as in the article
COLUMNS = ("modality", "representation", "clips", "precision", "recall", "share_of_spread")
EXPLANATION = (
    "z is the sum of the parts of the modalities; all are scaled to the same mean and spread. "
    "Recall: the share of multimodal representations that one modality covers; it is near one for "
    "a modality that dominates z. Precision: the share of a modality's part that z covers. "
    "Modalities far apart here are out of balance. The percentage is the share of each modality in "
    "the spread of z."
)


@dataclass(frozen=True)
class Balance:
    """One representation of a modality against z."""

    modality: str
    representation: str
    clips: int
    precision: float
    recall: float
    share_of_spread: float | None  # of z; only for the parts of z


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """The part of each modality in z; the table has its specific and shared representations too."""
    rows = measure(data, split)
    table = NumberTable(COLUMNS, tuple(tuple(vars(row).values()) for row in rows))
    picture = figure(4.6, 3.9)
    [ax] = axes(picture)
    _draw(ax, rows)
    return AnalysisResult("balance", TITLE, EXPLANATION, {"": picture}, {"": table})


def analyse_beside(runs: Sequence[tuple[str, EvalData]], split: str) -> AnalysisResult:
    """Several runs side by side, such as one on ImageBind and one on features made by hand.

    runs: the name of each run and its data. Files are called balance-beside.
    """
    with styled():
        picture = figure(4.2 * len(runs), 4.1)
        panels = axes(picture, 1, len(runs), sharey=True)
    lines: list[tuple[object, ...]] = []
    for ax, (name, data) in zip(panels, runs, strict=True):
        rows = measure(data, split)
        embeddings = data.streams.describe()
        for row in rows:
            lines.append((name, embeddings, *vars(row).values()))
        _draw(ax, rows)
        ax.set_title(embeddings.replace(", ", "\n"), fontsize=8, pad=24)
    table = NumberTable(("run", "embeddings", *COLUMNS), tuple(lines))
    explanation = f"{EXPLANATION} Each panel is one run, titled by its embeddings."
    return AnalysisResult("balance", TITLE, explanation, {"beside": picture}, {"beside": table})


def measure(data: EvalData, split: str) -> list[Balance]:
    """Precision and recall of every modality, for one run and split."""
    found = represent(data, data.rows(split))
    parts = contributions(require_semanticmac(data), found)
    spread = parts.var(axis=0).sum(axis=1)  # (3,)
    shares = spread / max(spread.sum(), 1e-12)
    rows: list[Balance] = []
    for kind, points in (
        ("added to z", parts),
        ("specific", found.specific),
        ("shared", found.shared),
    ):
        for place, name in enumerate(MODALITIES):
            present = found.present[:, place]
            if present.sum() <= NEIGHBOURS:
                continue
            is_part = kind == "added to z"
            scale = same_spread if is_part else unit
            precision, recall = precision_recall(
                scale(found.fused[present]), scale(points[present, place]), NEIGHBOURS
            )
            share = float(shares[place]) if is_part else None
            rows.append(Balance(name, kind, int(present.sum()), precision, recall, share))
    if not rows:
        raise AnalysisError(
            f"balance needs more than {NEIGHBOURS} clips with a modality in {split}: "
            "give another --split"
        )
    return rows


def contributions(model: SemanticMAC, found: Representations) -> np.ndarray:
    """(N, 3, d): W_z s_m + W_z h_m, the part of each modality in z; with the bias they sum to z.

    Equation 12.
    """
    weight = model.fuse.weight.detach().cpu().double().numpy()  # (d, 6·d): s_t s_a s_v h_t h_a h_v
    blocks = np.stack(np.split(weight, 2 * len(MODALITIES), axis=1))  # (6, d, d)
    both = np.concatenate([found.specific, found.shared], axis=1)  # (N, 6, d)
    added = np.einsum("nmd,med->nme", both, blocks)
    total: np.ndarray = added[:, :3] + added[:, 3:]
    return total


def same_spread(points: np.ndarray) -> np.ndarray:
    """(N, d) with mean zero and mean square one, so that only the shape of the set matters."""
    centred: np.ndarray = points - points.mean(axis=0)
    return centred / max(float(np.sqrt((centred**2).sum(axis=1).mean())), 1e-12)


def precision_recall(reference: np.ndarray, points: np.ndarray, k: int) -> tuple[float, float]:
    """Share of points (M, d) that reference (N, d) covers, and of reference that points cover."""
    precision = inside(points, reference, radii(reference, k)).mean()
    recall = inside(reference, points, radii(points, k)).mean()
    return float(precision), float(recall)


def radii(points: np.ndarray, k: int) -> np.ndarray:
    """(N, d) → (N,) the distance of each point to its k-th nearest other point."""
    if len(points) <= k:
        raise ValueError(
            f"{len(points)} points have no {k}-th neighbour: at least {k + 1} are needed"
        )
    # Without an argument, a point is not a neighbour of itself.
    distances, _ = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors()
    radius: np.ndarray = distances[:, k - 1]
    return radius


def inside(points: np.ndarray, centres: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """points (M, d); balls around centres (N, d) with radius (N,) → (M,) True = in one of them."""
    chunks = pairwise_distances_chunked(points, centres)
    return np.concatenate([(distances <= radius).any(axis=1) for distances in chunks])


def _draw(ax: Axes, rows: list[Balance]) -> None:
    for row in rows:
        if row.share_of_spread is None:
            continue
        ax.scatter(
            row.precision,
            row.recall,
            s=90,
            color=colour_of(row.modality),
            zorder=3,
            clip_on=False,
            label=f"{row.modality}, {percent(row.share_of_spread)}",
        )
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="precision", ylabel="recall")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3, handletextpad=0.1)
    ax.grid(True)
