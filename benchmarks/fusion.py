"""Does a weak modality ever hurt? Trains `paper`, `tuned` and single changes on planted corpora.

python -m benchmarks.fusion --data DIR     # trains what is not in benchmarks/results/fusion.jsonl
python -m benchmarks.fusion --page         # writes the tables of docs/evidence.md from that file

DIR holds meld/ and mustard/ with their label files; without it only `sentiment` is trained. The
corpora are described in benchmarks/planted_fusion.py. All rows have a small model and a frozen
language model, so that a run takes half a minute on one core and every row reads the same text.
With `--demo CACHE`, a cache that holds the demo corpus, the demo's own preset is trained too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from benchmarks import frame_scaling, planted_boards
from benchmarks.frozen_states import build_with_frozen_states, frozen_states
from benchmarks.fusion_page import write_page
from benchmarks.planted_fusion import TEXTS, Worth, write_corpus
from semanticmac.cache.layout import CacheLayout
from semanticmac.eval.eval_data import EvalData
from semanticmac.run.weights import TrainedModel, load_run
from semanticmac.train.config import TrainConfig
from semanticmac.train.config_io import tuned_settings
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override
from semanticmac.train.toml_settings import preset
from semanticmac.train.validation import head_scores

NAME, DEMO = "planted", "demo"
CPU = torch.device("cpu")
RESULTS = Path(__file__).parent / "results" / "fusion.jsonl"

SMALL: dict[str, Any] = {
    "batch_size": 32,
    "lr_rest": 5e-4,
    "language": "all-minilm-l6-v2",
    "freeze_language": True,
    "max_tokens": 48,
    "d_model": 64,
    "heads": 4,
    "perceiver_tokens": 4,
    "perceiver_layers": 1,
    "sgfi_layers": 1,
}
# Few texts of seven classes, or of two that texts hardly tell apart, need more epochs.
EPOCHS = {"sentiment": 8, "emotion": 10, "sarcasm": 10}
CAPACITY = ("paper", "width 32", "width 16", "one affect token", "text only")
FIRST_SEEDS, LATER_SEEDS = (1, 2, 3), (4, 5)
TUNED = tuned_settings()
# Each change by itself, on the paper's form. The first five make `tuned`.
CHANGES: dict[str, dict[str, Any]] = {
    "separate text path": {"separate_text": True},
    "mixture of the heads": {"head_mixture": True},
    "average of the weights": {"weight_average": 1.0},
    "dropout of the embeddings 0.3": {"frame_dropout": 0.3},
    "ground truth and pseudo label for the text head": {"text_target": "both"},
    "kernel of median width": {"label_kernel": "median"},
    "width 16": {"d_model": 16},
}
OTHER_CHANGES: dict[str, dict[str, Any]] = {
    "cosine schedule": {"schedule": "cosine"},
    "dropout 0.3": {"dropout": 0.3},
    "dropout 0.5": {"dropout": 0.5},
    "weight decay 0.05": {"weight_decay": 0.05},
    "rate of the rest 1e-4": {"lr_rest": 1e-4},
    "modality dropout 0.3": {"modality_dropout": 0.3},
    "width 32": {"d_model": 32},
    "one affect token": {"perceiver_tokens": 1},
    "without contrastive losses": {"contrastive": False},
    "without pseudo labels": {"pseudo_labels": False},
}
# `tuned` with one of its changes taken back.
WITHOUT: dict[str, dict[str, Any]] = {
    "tuned without its text path": TUNED | {"separate_text": False},
    "tuned without the mixture": TUNED | {"head_mixture": False},
    "tuned without the average": TUNED | {"weight_average": 0.0},
    "tuned without dropout of the embeddings": TUNED | {"frame_dropout": 0.0},
    "tuned, pseudo labels for the text head": TUNED | {"text_target": "pseudo"},
    "tuned, ground truth for the text head": TUNED | {"text_target": "truth"},
}
ROWS: dict[str, dict[str, Any]] = {
    "text only": {"modalities": ["text"]},
    "paper": {},
    "tuned": TUNED,
    **WITHOUT,
    **CHANGES,
    **OTHER_CHANGES,
}


@dataclass(frozen=True)
class Result:
    """One run: the scores of each head on validation and test."""

    text: str
    worth: str
    row: str
    seed: int
    metric: str  # MAE (lower is better) or weighted F1 (higher is better)
    best_epoch: int
    valid: dict[str, float]  # head → score
    test: dict[str, float]
    # validation score of the multimodal head after each epoch
    epochs: list[float]
    mixture: list[float] | None  # weights in the order of SUB_TASKS
    commit: str  # of the code; with a + if files were changed
    torch: str  # version


def measure(text: str, worth: str, row: str, seed: int, data: Path, folder: Path) -> Result:
    """Trains one row on one planted corpus."""
    layout = CacheLayout(folder / f"{text}-{worth}-{seed}")
    if not layout.manifest(NAME).exists():
        task, clips = TEXTS[text](seed, data)
        write_corpus(layout, NAME, task, clips, cast(Worth, worth), seed)
    config = override(TrainConfig(NAME), SMALL | {"epochs": EPOCHS[text], "seed": seed} | ROWS[row])
    with frozen_states():
        return _result(text, worth, row, config, layout)


def measure_demo(row: str, seed: int, cache: Path) -> Result:
    """Trains one row on the demo corpus with the demo's preset; its language model learns."""
    config = override(preset(DEMO), {"seed": seed} | ROWS[row])
    return _result(DEMO, DEMO, row, config, CacheLayout(cache))


def _result(text: str, worth: str, row: str, config: TrainConfig, layout: CacheLayout) -> Result:
    with tempfile.TemporaryDirectory() as run:
        train(config, open_data(layout, config.dataset), Path(run), CPU)
        trained = load_run(Path(run), CPU)
        log = (Path(run) / "log.jsonl").read_text().splitlines()
    epochs = [line["valid"] for line in map(json.loads, log) if "valid" in line]
    mixture = trained.model.mixture
    return Result(
        text=text,
        worth=worth,
        row=row,
        seed=config.seed,
        metric="MAE" if trained.info.task.kind == "regression" else "weighted F1",
        best_epoch=trained.info.best_epoch,
        valid=scores(trained, layout, "valid"),
        test=scores(trained, layout, "test"),
        epochs=epochs,
        mixture=None if mixture is None else mixture.weights.tolist(),
        commit=commit(),
        torch=torch.__version__,
    )


def commit() -> str:
    """The commit of this code, with a + if a tracked Python file differs from it."""
    root = Path(__file__).parents[1]
    asked = ["git", "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(asked, cwd=root, check=True, capture_output=True, text=True)
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "*.py", "*.toml"], cwd=root)
    return answer.stdout.strip() + ("+" if changed.returncode else "")


def scores(trained: TrainedModel, layout: CacheLayout, split: str) -> dict[str, float]:
    """Head → MAE or weighted F1 on one split."""
    data = EvalData.open(trained, layout, CPU)
    predictions = data.predict(data.rows(split))
    return head_scores(trained.info.task, predictions, "l1")


def plan(texts: list[str], with_demo: bool) -> Iterator[tuple[str, str, str, int]]:
    """All runs, (text, worth, row, seed), the most important ones first."""
    real = [text for text in texts if text != "sentiment"]
    few, more = FIRST_SEEDS, LATER_SEEDS
    yield from _comparison(["sentiment"], ("noise", "weak"), (*few, *more))
    yield from _comparison(real, ("noise", "weak"), few)
    yield from _comparison(["sentiment"], ("honest", "shortcut"), few)
    yield from _single_changes("honest", ["kernel of median width"], few)
    yield from _single_changes("noise", [*CHANGES], few)
    if with_demo:
        for seed in few:
            yield DEMO, DEMO, "tuned", seed
            yield DEMO, DEMO, "paper", seed
    yield from _comparison(real, ("shortcut",), few)
    yield from _comparison(["sentiment"], ("honest", "shortcut"), more)
    yield from _comparison(real, ("noise", "weak"), more)
    yield from _single_changes("honest", [*CHANGES], few)
    yield from _single_changes("noise", [*WITHOUT], few)
    yield from _single_changes("weak", [*CHANGES], few)
    yield from _single_changes("noise", [*OTHER_CHANGES], few)
    yield from _comparison(real, ("shortcut",), more)
    yield from _comparison(real, ("honest",), few)


def _comparison(
    texts: list[str], worths: tuple[Worth, ...], seeds: tuple[int, ...]
) -> Iterator[tuple[str, str, str, int]]:
    for text in texts:
        for seed in seeds:
            # Texts and labels do not depend on the worth of the other modalities.
            yield text, "noise", "text only", seed
            for worth in worths:
                yield text, worth, "paper", seed
                yield text, worth, "tuned", seed


def _single_changes(
    worth: Worth, rows: list[str], seeds: tuple[int, ...]
) -> Iterator[tuple[str, str, str, int]]:
    for seed in seeds:
        for row in rows:
            yield "sentiment", worth, row, seed


def parameters(row: str) -> int:
    """Trained weights of a row beside its language model."""
    config = override(TrainConfig(NAME), SMALL | ROWS[row])
    network = build_with_frozen_states(config.model, nn.Identity())
    return sum(weight.numel() for weight in network.parameters())


def read_results(path: Path) -> list[Result]:
    """All runs that were measured."""
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text().splitlines()]


def run_plan(data: Path | None, demo: Path | None, folder: Path, results: Path) -> None:
    """Trains what the file of results lacks, and adds each run to it."""
    done = {(r.text, r.worth, r.row, r.seed) for r in read_results(results)}
    texts = ["sentiment"] if data is None else list(TEXTS)
    for text, worth, row, seed in plan(texts, demo is not None):
        if (text, worth, row, seed) in done:
            continue
        done.add((text, worth, row, seed))
        if demo is not None and text == DEMO:
            _add(measure_demo(row, seed, demo), results)
        else:
            _add(measure(text, worth, row, seed, data or folder, folder), results)


def _add(result: Result, results: Path) -> None:
    with results.open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")
    shown = {name: round(score, 3) for name, score in result.test.items()}
    title = (result.text, result.worth, result.row, result.seed)
    print(*title, f"epoch {result.best_epoch}", shown, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with meld/ and mustard/")
    parser.add_argument("--folder", type=Path, default=Path("data/fusion"), help="caches")
    parser.add_argument("--demo", type=Path, help="cache that holds the demo corpus")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the runs")
    parser.add_argument("--page", action="store_true", help="write docs/evidence.md only")
    options = parser.parse_args()

    if not options.page:
        options.results.parent.mkdir(exist_ok=True)
        run_plan(options.data, options.demo, options.folder, options.results)
    counts = {row: parameters(row) for row in CAPACITY}
    runs = [asdict(result) for result in read_results(options.results)]
    others = planted_boards.section(RESULTS.parent)
    others += frame_scaling.section(frame_scaling.read_results())
    write_page(runs, counts, others)


if __name__ == "__main__":
    main()
