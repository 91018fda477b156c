"""Where does SemanticMAC stand beside other fusions on the planted corpora?

python -m benchmarks.planted_leaderboard           # trains what is missing
python -m benchmarks.planted_leaderboard --plan    # the expected time, and nothing else

The results are benchmarks/results/leaderboard-WORTH.json.

The texts are those of `sentiment` (benchmarks/planted_fusion.py) with a corpus seed that no
experiment of benchmarks/fusion.py has. Each model gets the same number of random trials on
validation, then the same seeds. The language model is frozen, and SemanticMAC is small, so that a
training takes seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.fusion import SMALL
from benchmarks.planted_fusion import TEXTS, Worth, write_corpus
from semanticmac.cache.layout import CacheLayout
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.data import open_data
from semanticmac.train.experiments.leaderboard.begun import trainings_left
from semanticmac.train.experiments.leaderboard.collect import collect
from semanticmac.train.experiments.leaderboard.entrants import SVM, Entrant, entrants
from semanticmac.train.experiments.leaderboard.plan import plan_time
from semanticmac.train.experiments.leaderboard.request import Request
from semanticmac.train.experiments.leaderboard.run import run_leaderboard
from semanticmac.train.experiments.search_space import read_space
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
RESULTS = Path(__file__).parent / "results"
CORPUS_SEED = 6
WORTHS: tuple[Worth, ...] = ("noise", "honest", "shortcut", "weak")
# Those whose step takes little; TFN, MAG, MFN, Graph-MFN and LNLN would double the time.
MODELS = (
    "text",
    "concat",
    "attention",
    "lmf",
    "mult",
    "misa",
    "self-mm",
    "mmim",
    "almt",
    "semanticmac",
    "semanticmac-tuned",
    SVM,
)
TRIALS, SEEDS = 5, (1, 2, 3, 4, 5)
# The same for all models.
SHARED: dict[str, Any] = {
    "epochs": 8,
    "batch_size": 32,
    "language": SMALL["language"],
    "freeze_language": True,
    "max_tokens": SMALL["max_tokens"],
    # As in the originals; benchmarks/frame_scaling.py compares the other values.
    "frame_scaling": "none",
}
# The widths of SemanticMAC stay small in all trials.
WIDTHS = {key: SMALL[key] for key in SMALL if key not in SHARED and key != "lr_rest"}


def result_file(worth: str, folder: Path = RESULTS) -> Path:
    """The result of the leaderboard on one corpus."""
    return folder / f"leaderboard-{worth}.json"


def request(
    worth: Worth, folder: Path, models: Sequence[str] = MODELS, trials: int = TRIALS
) -> tuple[Request, CacheLayout]:
    """The leaderboard on one corpus, which is written if it is not there."""
    layout, name = CacheLayout(folder / "cache"), f"planted-{worth}"
    if not layout.manifest(name).exists():
        task, clips = TEXTS["sentiment"](CORPUS_SEED, folder)
        write_corpus(layout, name, task, clips, worth, CORPUS_SEED)
    chosen = []
    for entrant in entrants(name, name, models, (), SHARED, trials):
        if entrant.model.startswith("semanticmac"):
            entrant = _small(entrant)
        chosen.append(entrant)
    data = {"": open_data(layout, name)}
    return Request(tuple(chosen), trials, SEEDS, folder / f"leaderboard-{worth}", data), layout


def _small(entrant: Entrant) -> Entrant:
    config = override(entrant.config, WIDTHS)
    return replace(entrant, config=config, space=read_space(None, config, {**SHARED, **WIDTHS}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("data/planted-leaderboard"))
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--plan", action="store_true", help="print the expected time and stop")
    options = parser.parse_args()

    callbacks = Callbacks(on_note=print_note)
    for worth in WORTHS:
        asked, layout = request(worth, options.folder)
        if options.plan:
            left = trainings_left(asked, CPU)
            for planned in plan_time(asked.entrants, left, asked.data, CPU):
                print(worth, planned.name, f"{planned.total_s:.0f} s", flush=True)
            continue
        tuned = run_leaderboard(asked, layout, CPU, callbacks)
        collect(asked, tuned, CPU).write(result_file(worth, options.results))


def print_note(note: str) -> None:
    print(note, flush=True)


if __name__ == "__main__":
    main()
