"""The machines of a cluster, and the distribution of workers over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]


class ClusterError(Exception):
    """The cluster cannot do this work; the message says what it lacks."""


@dataclass(frozen=True)
class Node:
    """One machine of the cluster and its resources, free or in use."""

    node_id: str
    name: str
    cpus: float
    gpus: int


@dataclass(frozen=True)
class Placement:
    """The machine of one worker, and the resources that the worker asks for."""

    node_id: str
    cpus: float
    gpus: int = 0


def placements(
    nodes: Sequence[Node], workers: int | None, device: Device | None
) -> tuple[list[Placement], list[Placement]]:
    """Placements of the decoding workers and of the encoding workers. All fit at the same time.

    Encoders: one per GPU; without GPUs, or with device "cpu", one per machine; with device None,
    none. Decoders: one per CPU, or `workers` in all, spread over the machines. The workers of a
    machine share its CPUs. Each asks for one CPU at most, and for less on a small machine, because
    Ray would never start a worker that does not fit. Raises ClusterError.
    """
    nodes = [node for node in nodes if node.cpus > 0]
    if not nodes:
        raise ClusterError("no machine of the cluster offers a CPU")
    has_gpus = any(node.gpus for node in nodes)
    if device == "cuda" and not has_gpus:
        raise ClusterError(
            f"--device cuda: no machine of the cluster offers a GPU ({describe_resources(nodes)})"
        )
    on_gpu = has_gpus and device != "cpu"

    to_decode: list[Placement] = []
    to_encode: list[Placement] = []
    for node, decoders in zip(nodes, _decoders_per_node(nodes, workers), strict=True):
        if device is None:
            encoders = 0
        elif on_gpu:
            encoders = node.gpus
        else:
            encoders = 1
        cpus = min(1.0, node.cpus / max(1, decoders + encoders))
        cpus = int(cpus * 1000) / 1000  # Rounded down: Ray counts in ten thousandths.
        to_decode += [Placement(node.node_id, cpus)] * decoders
        to_encode += [Placement(node.node_id, cpus, int(on_gpu))] * encoders
    return to_decode, to_encode


def _decoders_per_node(nodes: Sequence[Node], workers: int | None) -> list[int]:
    """Few workers are spread over the machines; many are shared out by the number of CPUs."""
    slots = []
    for index, node in enumerate(nodes):
        slots += [(turn, index) for turn in range(max(1, int(node.cpus)))]
    slots.sort()  # The first CPU of every machine, then the second of every machine, and so on.

    counts = [0] * len(nodes)
    for i in range(len(slots) if workers is None else workers):
        _, index = slots[i % len(slots)]
        counts[index] += 1
    return counts


def describe_resources(nodes: Sequence[Node]) -> str:
    """The machines with their CPUs and GPUs, for a message."""
    texts = [f"{node.name}: {node.cpus:g} CPUs and {node.gpus} GPUs" for node in nodes]
    return ", ".join(texts) or "no machine"
