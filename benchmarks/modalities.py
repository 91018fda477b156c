"""Is the demo's model better with three modalities than with any one? Test MAE over seeds, into docs/imagebind-tiny.md.

python benchmarks/modalities.py      after tiny_probe.py, whose cache it reads; goes on where it was stopped
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch

from benchmarks.tiny_probe import CARD, put
from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.core import MODALITIES
from semanticmac.eval.evaluate import evaluate
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoder
from semanticmac.run.weights import load_run
from semanticmac.train.config import override, preset
from semanticmac.train.data import open_data
from semanticmac.train.loop import train

ROWS: dict[str, tuple[str, ...]] = {
    "all three": MODALITIES,
    **{f"{name} alone": (name,) for name in MODALITIES},
}


def mae(layout: CacheLayout, run: Path, modalities: tuple[str, ...], seed: int) -> dict[str, float]:
    """Trains one model with the demo's preset and those modalities, or reads what it left: MAE by split."""
    done = run / "mae.json"
    if not done.exists():
        cpu = torch.device("cpu")
        config = override(preset("demo"), {"modalities": list(modalities), "seed": seed})
        train(config, open_data(layout, "demo"), run, cpu, lambda *_: None, lambda _: None)
        trained = load_run(run, cpu)
        scores = {
            split: float(evaluate(trained, layout, split, cpu).scores["MAE"].value)
            for split in ("valid", "test")
        }
        write_text(done, json.dumps(scores))
    found: dict[str, float] = json.loads(done.read_text(encoding="utf-8"))
    return found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """The model card's second table, and below it what the numbers decide."""
    seeds = len(found["all three"])
    lines = ["| trained with | test MAE | margin of all three |", "| --- | --- | --- |"]
    ours = [scores["test"] for scores in found["all three"]]
    clear = True
    for row, runs in found.items():
        theirs = [scores["test"] for scores in runs]
        margin = statistics.mean(theirs) - statistics.mean(ours)
        widest = max(_spread(ours), _spread(theirs))
        clear &= row == "all three" or margin > widest
        beside = "" if row == "all three" else f"{margin:+.3f}"
        lines.append(
            f"| {row} | {statistics.mean(theirs):.3f} ± {_spread(theirs):.3f} | {beside} |"
        )
    verdict = "larger" if clear else "not everywhere larger"
    lines += [
        "",
        f"Mean ± sample standard deviation over {seeds} seeds; every margin is {verdict} than both spreads.",
    ]
    if not clear:
        lines[-1] = lines[-1].replace("every margin is", "the margins are")
    return "\n".join(lines)


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument(
        "--folder",
        type=Path,
        default=Path("data/tiny/probe"),
        help="where tiny_probe.py left its cache",
    )
    words.add_argument("--seeds", type=int, default=3)
    asked = words.parse_args()
    layout = CacheLayout(asked.folder / "cache")
    weights = load_encoder("imagebind-tiny", "cpu").fingerprint(Sampling())
    if Manifest.read(layout.manifest("demo")).fingerprint != weights:
        raise SystemExit(
            f"{layout.manifest('demo')} is of other weights: run python benchmarks/tiny_probe.py first"
        )
    found: dict[str, list[dict[str, float]]] = {row: [] for row in ROWS}
    for seed in range(1, asked.seeds + 1):
        for row, modalities in ROWS.items():
            run = asked.folder / "runs" / f"{weights.weights[:12]}-{row.replace(' ', '-')}-{seed}"
            found[row].append(mae(layout, run, modalities, seed))
            print(f"seed {seed}, {row}: {found[row][-1]}", flush=True)
        write_text(asked.folder / "modalities.json", json.dumps(found, indent=1))
        put(
            CARD, "modalities", table(found)
        )  # after every seed: a stopped run leaves what it knows
    print(table(found))


if __name__ == "__main__":
    main()
