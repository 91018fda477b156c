"""Time and memory of pseudo labels, beside scikit-learn's brute-force search of the neighbours.

    python -m benchmarks.pseudo_labels [--clips 16326] [--many 100000] [--rounds 3] [--threads N]

The size is that of MOSEI's train split: four banks of random float32 representations of width 256,
k = 10. `PseudoLabels.update` is compared with `NearestNeighbors(algorithm="brute")` on the present,
labelled clips of each bank. Both find the same neighbours, except for ties.

times_sklearn       time of scikit-learn over that of the update
of_matmul           time of the matrix products of all distances (float32) over that of the update
sklearn_of_matmul   the same for scikit-learn
extra_mib           peak memory of a fresh process, without the banks

--many clips are searched once, in one bank, for time and memory (0: not at all).
"""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from benchmarks.common import anonymous_mib, arguments, cores, interleaved, report
from semanticmac.train.pseudo_labels import PseudoLabelConfig, PseudoLabels, neighbours

WIDTH, NEIGHBOURS = 256, 10
MISSING = 0.05  # of the clips lack a modality
BLOCK = 512
LOOK_EVERY_S = 0.005


def random_labels(clips: int) -> PseudoLabels:
    """The state after an epoch in which every clip was seen."""
    torch.manual_seed(0)
    labels = PseudoLabels(torch.randn(clips, 1), WIDTH, PseudoLabelConfig(neighbours=NEIGHBOURS))
    labels.record(torch.arange(clips), torch.randn(clips, 4, WIDTH), torch.rand(clips, 3) > MISSING)
    return labels


def update(labels: PseudoLabels) -> None:
    labels.epoch = 1
    labels.update(2)


def points(labels: PseudoLabels) -> list[np.ndarray]:
    """The present, labelled clips of each bank, float32."""
    banks = zip(labels.banks, labels.present, strict=True)
    return [bank[present & labels.labelled].numpy() for bank, present in banks]


def brute_force(each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distances, indices = (
        NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(each).kneighbors()
    )
    return distances, indices


def products(each: np.ndarray) -> None:
    values = torch.from_numpy(each)
    space = torch.empty(BLOCK, len(values))
    for rows in values.split(BLOCK):
        torch.mm(rows, values.T, out=space[: len(rows)])


def check_same(each: np.ndarray) -> float:
    """Share of clips with the same neighbours in the same order in both.

    Raises AssertionError if their distances differ: then it is no tie.
    """
    indices, distances = neighbours(
        torch.from_numpy(each), NEIGHBOURS, torch.ones(len(each), dtype=torch.bool)
    )
    theirs, places = brute_force(each)
    np.testing.assert_allclose(distances.numpy() * math.sqrt(WIDTH), theirs, rtol=1e-5)
    same: np.ndarray = (indices.numpy() == places).all(1)
    return float(same.mean())


def memory_and_time(clips: int, banks: int, threads: int) -> tuple[float, float]:
    """Peak memory of an update in MiB, without the banks, and its seconds."""
    torch.set_num_threads(threads)
    update(random_labels(2000))  # Libraries allocate memory at the first call.
    labels = random_labels(clips)
    labels.labels, labels.banks, labels.present = (
        kept[:banks] for kept in (labels.labels, labels.banks, labels.present)
    )
    before, seen, over = anonymous_mib(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            seen.append(anonymous_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    update(labels)
    seconds = time.perf_counter() - start
    over.set()
    watcher.join()
    return max(seen) - before, seconds


def elsewhere(clips: int, banks: int, threads: int) -> tuple[float, float]:
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(memory_and_time, clips, banks, threads).result()


def main() -> None:
    options = arguments(__doc__, clips=16_326, many=100_000, rounds=3, threads=cores())
    torch.set_num_threads(options.threads)
    extra_mib, _ = elsewhere(options.clips, 4, options.threads)
    labels = random_labels(options.clips)
    banks = points(labels)

    def each_bank(work: object) -> None:
        for each in banks:
            work(each)  # type: ignore[operator]

    with threadpool_limits(options.threads):
        same = min(check_same(each) for each in banks)
        ours, theirs, floor = interleaved(
            options.rounds,
            lambda: update(labels),
            lambda: each_bank(brute_force),
            lambda: each_bank(products),
        )
    many: dict[str, float] = {}
    if options.many:
        mib, seconds = elsewhere(options.many, 1, options.threads)
        many = {"many": options.many, "many_extra_mib": mib, "many_s_a_bank": seconds}
    report(
        "pseudo labels take about the time of scikit-learn's brute-force search, in little memory",
        "times_sklearn at least 0.75; extra_mib and many_extra_mib under 300",
        threads=options.threads,
        clips=options.clips,
        update_s=ours.wall_s,
        sklearn_s=theirs.wall_s,
        times_sklearn=theirs.wall_s / ours.wall_s,
        times_sklearn_by_cpu=theirs.cpu_s / ours.cpu_s,
        of_matmul=floor.wall_s / ours.wall_s,
        sklearn_of_matmul=floor.wall_s / theirs.wall_s,
        same_neighbours=same,
        extra_mib=extra_mib,
        **many,
    )


if __name__ == "__main__":
    main()
