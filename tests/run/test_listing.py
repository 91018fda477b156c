"""The list of runs: finished, under way and broken ones; a folder of runs is one line."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from semanticmac.commands.eval import eval_
from semanticmac.commands.runs import runs
from semanticmac.commands.ui.runs import runs_table
from semanticmac.commands.ui.screen import print_uncropped
from semanticmac.run.folder import RunInfo
from semanticmac.run.listing import RunLine, list_runs, run_line

if TYPE_CHECKING:
    from support.planted import Walk


def change(run: Path, **values: object) -> Path:
    replace(RunInfo.read(run), **values).write(run)
    return run


@pytest.fixture
def root(walks: dict[str, Walk], tmp_path: Path) -> Path:
    """One of everything."""

    def copy(name: str, kind: str = "regression") -> Path:
        return Path(shutil.copytree(walks[kind].run, tmp_path / name))

    eval_([copy("a-scored")], cache=walks["regression"].layout.root)
    copy("b-classes", "single-label")
    (copy("c-stopped") / "checkpoint").mkdir()
    for seed, score in ((1, 0.5), (2, 0.7), (3, 9.0)):
        change(copy(f"d-seeds/seed-{seed}"), seed=seed, valid_score=score)
    (tmp_path / "d-seeds/seeds.json").write_text("{}")
    (tmp_path / "d-seeds/seed-3/checkpoint").mkdir()
    for kind in ("regression", "single-label"):
        for trial, score in ((0, 0.6), (1, 0.4), (2, 0.8)):
            change(
                copy(f"e-sweep-{kind}/trial-000{trial}", kind),
                valid_score=score,
                best_epoch=trial + 1,
            )
        (tmp_path / f"e-sweep-{kind}/study.db").touch()
    copy("ablation-x/full-seed1")
    (tmp_path / "not-a-run").mkdir()
    (tmp_path / "file.txt").touch()
    return tmp_path


def by_name(root: Path, everything: bool = False) -> dict[str, RunLine]:
    return {
        Path(line.folder).relative_to(root).as_posix(): line for line in list_runs(root, everything)
    }


def printed(root: Path, everything: bool = False) -> str:
    screen = Console(file=io.StringIO(), width=80)
    print_uncropped(screen, runs_table(root, list_runs(root, everything)))
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_finished_run_says_what_it_came_to(root: Path) -> None:
    lines = by_name(root)
    run, info = lines["a-scored"], RunInfo.read(root / "a-scored")
    assert (run.kind, run.state, run.note) == ("run", "finished", None)
    assert (run.dataset, run.seed, run.best_epoch) == ("planted", info.seed, info.best_epoch)
    assert (run.valid_metric, run.valid_score) == ("validation L1 loss", info.valid_score)
    scores = json.loads((root / "a-scored/eval-test.json").read_text())
    assert (run.test_metric, run.test_score) == ("MAE", scores["summary"]["MAE"]["mean"])
    assert (
        lines["b-classes"].test_score is None
        and lines["b-classes"].valid_metric == "validation weighted F1"
    )
    assert list(lines) == [
        *(
            "a-scored",
            "ablation-x",
            "b-classes",
            "c-stopped",
            "d-seeds",
            "e-sweep-regression",
            "e-sweep-single-label",
        )
    ]


def test_folders_of_runs_are_one_line_each(root: Path) -> None:
    lines = by_name(root)
    seeds = lines["d-seeds"]
    assert (seeds.kind, seeds.runs, seeds.state, seeds.note) == (
        "seeds",
        2,
        "unfinished",
        "1 unfinished",
    )
    assert seeds.valid_score == pytest.approx(0.6) and seeds.valid_std == pytest.approx(
        0.1 * 2**0.5
    )
    for kind, best in (("regression", 1), ("single-label", 2)):
        swept = lines[f"e-sweep-{kind}"]
        assert (swept.kind, swept.runs, swept.best_epoch) == ("sweep", 3, best + 1), (
            "the least loss, the greatest F1"
        )
        assert swept.note == f"best: trial-000{best}" and swept.valid_score == (
            0.4 if best == 1 else 0.8
        )
    assert (lines["ablation-x"].kind, lines["ablation-x"].runs) == ("ablation", 1)
    everything = by_name(root, everything=True)
    assert len(everything) == 7 + 3 + 6 + 1
    assert everything["d-seeds/seed-2"].valid_score == 0.7
    assert {name: line for name, line in everything.items() if name in lines} == lines


def test_a_run_that_is_not_finished_says_where_it_is(root: Path) -> None:
    run = root / "c-stopped"
    assert (
        run_line(run).note == f"in epoch 3 of 3: `semanticmac train --resume {run}`"
    )  # all epochs were done
    epoch = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    lines = [
        {"step": 1, "epoch": 1},
        {"step": 2, "epoch": 1},
        epoch | {"epoch": 1},
        {"step": 3, "epoch": 2},
    ]
    for count, where in ((0, 1), (2, 1), (3, 2), (4, 2)):
        text = "".join(json.dumps(line) + "\n" for line in lines[:count])
        for half in ("", '{"step": 9, "epo'):  # a process was killed while it wrote
            (run / "log.jsonl").write_text(text + half)
            assert f"in epoch {where} of 3" in str(run_line(run).note)
    (run / "log.jsonl").unlink()
    (run / "run.json").unlink()
    line = run_line(run)
    assert (line.state, line.dataset, line.seed, line.best_epoch) == (
        "unfinished",
        "planted",
        1,
        None,
    )


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"task": 3}', '{"model": [], "task": {}}', "\x00"]
)
@pytest.mark.parametrize("file", ["run.json", "config.toml", "eval-test.json", "log.jsonl"])
def test_what_cannot_be_read_is_said_and_nothing_else_is_lost(
    root: Path, file: str, content: str
) -> None:
    healthy = by_name(root)
    for run in ("a-scored", "c-stopped", "e-sweep-regression/trial-0000", "d-seeds/seed-1"):
        (root / run / file).write_text(content)
    lines = by_name(root)
    assert lines["b-classes"] == healthy["b-classes"] and list(lines) == list(healthy)
    if file in ("run.json", "eval-test.json"):
        assert lines["a-scored"].state == "broken" and "cannot be read" in str(
            lines["a-scored"].note
        )
        assert (lines["a-scored"].dataset, lines["a-scored"].seed) == ("planted", 1)


def test_a_folder_without_a_model_is_broken(root: Path) -> None:
    (root / "a-scored/run.json").unlink()
    line = run_line(root / "a-scored")
    assert (line.state, line.note) == ("broken", "there is no trained model in it")


def test_a_trial_that_failed_says_why_and_its_sweep_is_finished(root: Path) -> None:
    swept = root / "e-sweep-regression"
    trial = swept / "trial-0000"
    for name in ("run.json", "model.safetensors"):
        (trial / name).unlink()
    (trial / "failure.txt").write_text("the loss became nan [inf]\n")
    line = run_line(trial)
    assert (line.state, line.note) == ("failed", "failed: the loss became nan [inf]")
    assert (line.dataset, line.valid_score) == ("planted", None)
    folded = by_name(root)[swept.name]
    assert (folded.state, folded.runs, folded.note) == ("finished", 2, "best: trial-0001, 1 failed")
    assert "e-sweep-regression/trial-0000: failed: the loss became nan [inf]" in printed(
        root, everything=True
    )
    (trial / "checkpoint").mkdir()  # somebody trains it again
    assert run_line(trial).state == "unfinished"


def test_the_verb_prints_a_table_and_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs(root, as_json=True)
    assert json.loads(capsys.readouterr().out) == [asdict(line) for line in list_runs(root)]
    runs(root / "not-a-run")
    assert "holds no runs" in capsys.readouterr().err
    text = printed(root)
    assert "…" not in text.split("trained")[1]
    for words in (
        " MAE ",
        " L1 ",
        "0.600 ± 0.141",
        "2 seeds",
        "3 trials",
        "c-stopped: in epoch",
        "d-seeds: 1 unfinished",
    ):
        assert words in text, words


def test_the_table_keeps_names_whole_and_one_scale(root: Path) -> None:
    long = "x-a-name-that-somebody-gave-a-run-and-wants-to-copy"
    (root / "b-classes").rename(root / long)
    metric = {"name": "weighted F1", "value": 0.125, "higher_is_better": True, "note": ""}
    scores = {"main": "weighted F1", "runs": [{"metrics": [metric], "scored": 8}]}
    (root / long / "eval-test.json").write_text(json.dumps(scores))
    change(root / long, valid_score=0.113)
    text = printed(root, everything=True)
    rows = [line.split() for line in text.splitlines()]
    names = {line.folder.rpartition("/")[2] for line in list_runs(root, everything=True)}
    assert names <= {words[0] for words in rows if words}
    (found,) = [words for words in rows if words[:1] == [long] and words[1:2] == ["planted"]]
    assert found[-2:] == ["11.3", "12.5"], "both in percent, as eval prints them"
    shutil.rmtree(root / long)
    assert max(map(len, printed(root).split("c-stopped: ")[0].splitlines()[1:])) <= 80
