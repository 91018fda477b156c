"""The machines of a cluster: what each of them offers, and which of them gets which workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]


class ClusterError(Exception):
    """The cluster cannot do this work; the message says what it lacks."""


@dataclass(frozen=True)
class Node:
    """One machine of the cluster, with what it offers, whoever uses that now."""

    node_id: str
    name: str
    cpus: float
    gpus: int


@dataclass(frozen=True)
class Placement:
    """A worker's place: the machine, and what it asks of it."""

    node_id: str
    cpus: float
    gpus: int = 0


def placements(
    nodes: Sequence[Node], workers: int | None, device: Device | None
) -> tuple[list[Placement], list[Placement]]:
    """Places for those that decode and those that encode, which fit on the machines all at once.

    One encoder a GPU, or where there is none (or device is "cpu") one a machine; device None: no
    encoder. Decoders: one a CPU, or `workers` of them, spread. Workers of one machine share its
    CPUs, each asking for one at most: on a small one they ask for less, or the last of them would
    wait for ever. Raises ClusterError.
    """
    nodes = [node for node in nodes if node.cpus > 0]
    gpus = sum(node.gpus for node in nodes)
    if not nodes:
        raise ClusterError("no machine of the cluster offers a CPU")
    if device == "cuda" and not gpus:
        raise ClusterError(
            f"--device cuda: no machine of the cluster offers a GPU ({resources(nodes)})"
        )
    on_gpu = bool(gpus) and device != "cpu"
    encoders = {node.node_id: 0 if device is None else node.gpus if on_gpu else 1 for node in nodes}
    # Machine after machine, and again: so that few workers are spread, and many come to each by its
    # number of CPUs.
    turns = sorted(
        (turn, place) for place, node in enumerate(nodes) for turn in range(max(1, int(node.cpus)))
    )
    chosen = [turns[i % len(turns)][1] for i in range(len(turns) if workers is None else workers)]
    to_decode, to_encode = [], []
    for place, node in enumerate(nodes):
        decoders = chosen.count(place)
        share = min(1.0, node.cpus / max(1, decoders + encoders[node.node_id]))
        share = int(share * 1000) / 1000  # rounded down: Ray counts in ten thousandths
        to_decode += [Placement(node.node_id, share)] * decoders
        to_encode += [Placement(node.node_id, share, int(on_gpu))] * encoders[node.node_id]
    return to_decode, to_encode


def resources(nodes: Sequence[Node]) -> str:
    return (
        ", ".join(f"{node.name}: {node.cpus:g} CPUs and {node.gpus} GPUs" for node in nodes)
        or "no machine"
    )
