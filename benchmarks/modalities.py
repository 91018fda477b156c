"""Is the demo's model better with three modalities than with one? Writes docs/imagebind-tiny.md.

    python -m benchmarks.modalities

Run it after benchmarks.tiny_probe, whose cache it reads. It continues where it was stopped.
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
from semanticmac.cache.stream_catalogue import last_streams
from semanticmac.cache.streams import Streams
from semanticmac.core import MODALITIES
from semanticmac.eval.evaluate import evaluate
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders
from semanticmac.run.weights import load_run
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override
from semanticmac.train.toml_settings import preset

ROWS: dict[str, tuple[str, ...]] = {
    "all three": MODALITIES,
    **{f"{name} alone": (name,) for name in MODALITIES},
}


def mae(layout: CacheLayout, run: Path, modalities: tuple[str, ...], seed: int) -> dict[str, float]:
    """Trains one model with these modalities, unless it is there already: MAE by split."""
    scores_file = run / "mae.json"
    if not scores_file.exists():
        cpu = torch.device("cpu")
        config = override(preset("demo"), {"modalities": list(modalities), "seed": seed})
        train(config, open_data(layout, "demo"), run, cpu)
        trained = load_run(run, cpu)
        scores = {}
        for split in ("valid", "test"):
            scores[split] = float(evaluate(trained, layout, split, cpu).scores["MAE"].value)
        write_text(scores_file, json.dumps(scores))
    mae_by_split: dict[str, float] = json.loads(scores_file.read_text(encoding="utf-8"))
    return mae_by_split


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """The second table of the model card, with a sentence on whether the margins are clear."""
    seeds = len(results["all three"])
    lines = ["| trained with | test MAE | margin of all three |", "| --- | --- | --- |"]
    ours = [scores["test"] for scores in results["all three"]]
    clear = True
    for row, runs in results.items():
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
        f"Mean ± sample standard deviation over {seeds} seeds; "
        f"every margin is {verdict} than both spreads.",
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
    encoders = load_encoders("imagebind-tiny", "cpu")
    streams = Streams.group(encoder.fingerprint(Sampling()) for encoder in encoders)
    if last_streams(layout, "demo") != streams:
        raise SystemExit(
            f"{layout.manifest('demo')} was made with other weights: "
            "run `python -m benchmarks.tiny_probe` first"
        )
    results: dict[str, list[dict[str, float]]] = {row: [] for row in ROWS}
    for seed in range(1, asked.seeds + 1):
        for row, modalities in ROWS.items():
            run = (
                asked.folder
                / "runs"
                / f"{streams.all[0].weights[:12]}-{row.replace(' ', '-')}-{seed}"
            )
            results[row].append(mae(layout, run, modalities, seed))
            print(f"seed {seed}, {row}: {results[row][-1]}", flush=True)
        write_text(asked.folder / "modalities.json", json.dumps(results, indent=1))
        put(CARD, "modalities", table(results))  # After every seed, so that a stop loses little.
    print(table(results))


if __name__ == "__main__":
    main()
