"""What the scale of the frame embeddings is worth to each fusion.

python -m benchmarks.frame_scaling     # trains what benchmarks/results/frame-scaling.jsonl lacks

The corpus is *honest* of benchmarks/planted_leaderboard.py, whose frames have a length of about 72.
Every model has its default settings, so only the scale differs. `benchmarks.fusion --page` puts the
table into docs/evidence.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import torch

from benchmarks.fusion_runs import spread
from semanticmac.model.frame_scaling import Scaling

RESULTS = Path(__file__).parent / "results" / "frame-scaling.jsonl"
CPU = torch.device("cpu")
WORTH = "honest"
SEEDS = (1, 2)
SCALINGS: tuple[Scaling, ...] = get_args(Scaling)
# TFN, MAG and LNLN are left out: their steps take longest.
MODELS = (
    "concat",
    "attention",
    "lmf",
    "mult",
    "misa",
    "self-mm",
    "mmim",
    "almt",
    "ef-lstm",
    "mfn",
    "graph-mfn",
    "semanticmac",
)


@dataclass(frozen=True)
class Result:
    """One training: MAE of the multimodal prediction."""

    model: str
    scaling: str
    seed: int
    valid: float
    test: float
    commit: str


def measure(model: str, scaling: str, seed: int, folder: Path) -> Result:
    # Imported here, so that `section` needs no training.
    from benchmarks.fusion import commit, scores
    from benchmarks.planted_leaderboard import request
    from semanticmac.run.weights import load_run
    from semanticmac.train.loop import train
    from semanticmac.train.overrides import override

    asked, layout = request(WORTH, folder, models=(model,), trials=0)
    [entrant] = asked.entrants
    config = override(entrant.config, {"frame_scaling": scaling, "seed": seed})
    with tempfile.TemporaryDirectory() as run:
        train(config, asked.data_of(entrant), Path(run), CPU)
        trained = load_run(Path(run), CPU)
        valid, test = (scores(trained, layout, split)["multimodal"] for split in ("valid", "test"))
    return Result(model, scaling, seed, valid, test, commit())


def read_results(path: Path = RESULTS) -> list[Result]:
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text().splitlines()]


def section(results: Sequence[Result]) -> list[str]:
    """The Markdown of the table."""
    if not results:
        return []
    lines = [
        "## The scale of the frames",
        "",
        "`python -m benchmarks.frame_scaling`: test MAE on *honest* with default settings, "
        f"{len(SEEDS)} seeds. The planted frames have a",
        "length of about 72. `standard` and `unit` are values of `frame_scaling`; their statistics "
        "come from the train clips.",
        "",
        f"| model | {' | '.join(SCALINGS)} |",
        f"| --- |{' --- |' * len(SCALINGS)}",
    ]
    for model in MODELS:
        cells = []
        for scaling in SCALINGS:
            values = [r.test for r in results if (r.model, r.scaling) == (model, scaling)]
            cells.append(spread(values))
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("data/planted-leaderboard"))
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the runs")
    options = parser.parse_args()

    done = {(r.model, r.scaling, r.seed) for r in read_results(options.results)}
    options.results.parent.mkdir(exist_ok=True)
    for seed in SEEDS:
        for model in MODELS:
            for scaling in SCALINGS:
                if (model, scaling, seed) in done:
                    continue
                result = measure(model, scaling, seed, options.folder)
                with options.results.open("a") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
                print(model, scaling, seed, round(result.test, 3), flush=True)


if __name__ == "__main__":
    main()
