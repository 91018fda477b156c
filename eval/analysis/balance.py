"""balance: do unimodal representations cover the multimodal ones, or does one modality rule? Precision and recall.

Improved precision and recall (Kynkäänniemi et al. 2019): a set of points spans the balls around
each of its points that reach to the k-th nearest of the others. Precision: the share of unimodal
points inside what the multimodal ones span; recall: the share of multimodal points inside what the
unimodal ones span.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semanticmac.core import MODALITIES
from semanticmac.eval.analysis.figure import (
    AnalysisError,
    Figure,
    Found,
    Numbers,
    axes,
    colour_of,
    figure,
)
from semanticmac.eval.analysis.represent import Representations, represent, unit
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.report.formatting import percent
from semanticmac.model.network import SemanticMAC

NEIGHBOURS = 3  # k, as in the article
_BLOCK = 512


def analyse(data: EvalData, run: Path, split: str) -> Found:
    """What each modality adds to z, and in the table its specific and shared representations as they are."""
    found = represent(data, data.rows(split))
    added = contributions(data.trained.model, found)
    spread = added.var(axis=0).sum(axis=1)  # (3,)
    rows: list[tuple[str, str, int, float, float, float | None]] = []
    for kind, points in (
        ("added to z", added),
        ("specific", found.specific),
        ("shared", found.shared),
    ):
        for place, name in enumerate(MODALITIES):
            there = found.present[:, place]
            if there.sum() > NEIGHBOURS:
                own, fused = points[there, place], found.fused[there]
                sides = (
                    (same_spread(fused), same_spread(own))
                    if kind == "added to z"
                    else (unit(fused), unit(own))
                )
                share = (
                    float(spread[place] / max(spread.sum(), 1e-12))
                    if kind == "added to z"
                    else None
                )
                rows.append(
                    (name, kind, int(there.sum()), *precision_recall(*sides, NEIGHBOURS), share)
                )
    if not rows:
        raise AnalysisError(
            f"balance needs more than {NEIGHBOURS} clips with a modality in {split}: give another --split"
        )
    numbers = Numbers(
        ("modality", "representation", "clips", "precision", "recall", "share_of_spread"),
        tuple(rows),
    )
    return Found("balance", "Balance of the modalities", WORDS, {"": _draw(rows)}, {"": numbers})


WORDS = (
    "z is a sum of what each modality adds to it; all of them are brought to the same middle and spread. Recall: the"
    " share of multimodal representations that lie within what one modality adds, near one for a modality that rules z."
    " Precision: the share of what it adds that lies within z. Modalities far apart here are out of balance; the"
    " percentage is how much of the spread of z each one brings."
)


def contributions(model: SemanticMAC, found: Representations) -> np.ndarray:
    """W_z s_m + W_z h_m, the part of z that comes from each modality (eq.

    12), (N, 3, d); with the bias they are z.
    """
    # (d, 6·d): s_t, s_a, s_v, h_t, h_a, h_v
    weight = model.fuse.weight.detach().cpu().double().numpy()
    parts = np.stack(np.split(weight, 2 * len(MODALITIES), axis=1))  # (6, d, d)
    both = np.concatenate([found.specific, found.shared], axis=1)  # (N, 6, d)
    added = np.einsum("nmd,med->nme", both, parts)
    total: np.ndarray = added[:, :3] + added[:, 3:]
    return total


def same_spread(points: np.ndarray) -> np.ndarray:
    """(N, d) around zero and with a mean square of one: what is left to compare is the shape of a cloud."""
    centred: np.ndarray = points - points.mean(axis=0)
    return centred / max(float(np.sqrt((centred**2).sum(axis=1).mean())), 1e-12)


def precision_recall(reference: np.ndarray, points: np.ndarray, k: int) -> tuple[float, float]:
    """reference (N, d), points (M, d) → (share of points inside the reference's span, and the other way round)."""
    precision = inside(points, reference, radii(reference, k)).mean()
    recall = inside(reference, points, radii(points, k)).mean()
    return float(precision), float(recall)


def radii(points: np.ndarray, k: int) -> np.ndarray:
    """(N, d) → the distance of each point to the k-th nearest of the others, (N,)."""
    if len(points) <= k:
        raise ValueError(
            f"{len(points)} points have no {k}-th neighbour: at least {k + 1} are needed"
        )
    blocks = [
        np.sort(_distances(points[i : i + _BLOCK], points), axis=1)[:, k]
        for i in range(0, len(points), _BLOCK)
    ]
    return np.concatenate(blocks)  # place 0 is the point itself


def inside(points: np.ndarray, centres: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """points (M, d); balls around centres (N, d) of radius reach (N,) → (M,) True = in one of them."""
    blocks = [
        (_distances(points[i : i + _BLOCK], centres) <= reach).any(axis=1)
        for i in range(0, len(points), _BLOCK)
    ]
    return np.concatenate(blocks)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    distances: np.ndarray = np.sqrt(np.maximum(squared, 0.0))
    return distances


def _draw(rows: list[tuple[str, str, int, float, float, float | None]]) -> Figure:
    picture = figure(4.6, 3.9)
    [ax] = axes(picture)
    for name, _, _, precision, recall, share in rows:
        if share is not None:
            label = f"{name}, {percent(share)}"
            ax.scatter(
                precision, recall, s=90, color=colour_of(name), zorder=3, clip_on=False, label=label
            )
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="precision", ylabel="recall")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3, handletextpad=0.1)
    ax.grid(True)
    return picture
