"""predict --out: every result is in the file as it is known, and the same command goes on."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.planted import TASKS
from support.program import semanticmac

from semanticmac import inference
from semanticmac.cache.failures import Failure
from semanticmac.commands.ui.prediction_rows import failure_row, result_columns, result_row
from semanticmac.core import MODALITIES, SUB_TASKS
from semanticmac.eval.prediction import Prediction
from semanticmac.preprocess.clip import Clip
from semanticmac.run.folder import RunInfo

BOUNDS = ("low", "high")  # of an interval, which a run without `eval` does not have
RUN = Path(__file__).parents[1] / "data/version-0.1/runs/finished"


@pytest.fixture
def videos(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.mp4").write_bytes(b"film")
    (tmp_path / "a.txt").write_text("=SUM(A1)")
    return tmp_path


@pytest.fixture
def model(monkeypatch):
    """Predicts without decoding; stops as by Ctrl-C before the clip `stop_at`; d.mp4 fails."""
    state = SimpleNamespace(stop_at="", seen=[], loads=0)
    info = RunInfo.read(RUN)

    def predict_clips(clips, *_):
        for clip in clips:
            if clip.clip_id == state.stop_at:
                raise KeyboardInterrupt
            state.seen.append(clip.clip_id)
            if clip.clip_id == "d":
                yield Failure("d", str(clip.video), "it is damaged", cached=False)
            else:
                outputs = {name: [-0.5] for name in SUB_TASKS} | {"vision": None}
                yield Prediction(clip.clip_id, info.task, outputs, ("a remark",))

    def load(*_, **__):
        state.loads += 1
        return SimpleNamespace(trained=SimpleNamespace(info=info), predict_clips=predict_clips)

    monkeypatch.setattr(inference, "load", load)
    monkeypatch.setattr(
        "semanticmac.preprocess.encoders.requests.open_encoders", lambda *_, **__: ()
    )
    return state


def predict(folder, name, expect=3):
    return semanticmac(folder, "predict", ".", "--run", RUN, "--out", name, expect=expect)


def lines(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_stopped_command_goes_on(videos, model):
    model.stop_at = "c"
    stopped = predict(videos, "r.csv", expect=130)
    assert "What is done is kept: run the same command again to go on" in stopped.stderr
    assert [row["clip"] for row in lines(videos / "r.csv")] == ["a", "b"]

    model.stop_at = ""
    answer = predict(videos, "r.csv")
    assert "2 results are in r.csv already" in answer.stderr
    assert model.seen == ["a", "b", "c", "d"]
    rows = lines(videos / "r.csv")
    assert [(row["clip"], row["status"]) for row in rows] == [
        ("a", "done"),
        ("b", "done"),
        ("c", "done"),
        ("d", "failed"),
    ]
    assert rows[0]["score"] == "-0.5"
    assert rows[0]["vision score"] == ""
    assert rows[0]["text"] == "'=SUM(A1)"
    assert rows[0]["notes"] == "a remark"
    assert rows[3]["notes"] == "it is damaged"
    predict(videos, "r.csv")  # a failed clip is tried again, the others are not
    assert model.seen == ["a", "b", "c", "d", "d"]
    assert len(lines(videos / "r.csv")) == 4


def test_a_changed_file_or_text_is_predicted_again(videos, model):
    (videos / "d.mp4").unlink()
    predict(videos, "r.csv", expect=0)
    predict(videos, "r.csv", expect=0)
    assert model.loads == 1
    (videos / "a.txt").write_text("other words")
    (videos / "b.mp4").write_bytes(b"another film")
    predict(videos, "r.csv", expect=0)
    assert model.seen == ["a", "b", "c", "a", "b"]


def test_clips_are_predicted_again_once_eval_has_fitted_intervals(videos, model, monkeypatch):
    (videos / "d.mp4").unlink()
    run = shutil.copytree(RUN, videos / "run")
    words = ("predict", "a.mp4", "--run", run, "--out", "r.csv")
    answer = semanticmac(videos, *words)
    assert "no intervals, and no comparison with the train clips" in " ".join(answer.stdout.split())
    (run / "trust.safetensors").write_bytes(b"fitted later")
    monkeypatch.setattr("semanticmac.eval.trust_fit.read_trust", lambda *_: None)
    semanticmac(videos, *words)
    assert model.seen == ["a", "a"]


def test_rows_of_other_texts_stay_and_are_counted(videos, model):
    (videos / "d.mp4").unlink()
    predict(videos, "r.csv", expect=0)
    (videos / "a.txt").write_text("other words")
    answer = predict(videos, "r.csv", expect=0)
    assert "1 more results in it are of other clips, texts or options" in answer.stdout
    assert len(lines(videos / "r.csv")) == 4


def test_a_wrong_name_is_told_before_a_model_is_loaded(videos, model):
    answer = predict(videos, "r.txt", expect=2)
    assert "expected a name that ends with .csv, .jsonl, .xlsx" in answer.stderr
    assert model.loads == 0


def test_a_text_for_several_files_is_refused(videos, model):
    words = ("a.mp4", "b.mp4", "--text", "hello", "--run", RUN)
    answer = semanticmac(videos, "predict", *words, expect=2)
    assert "--text is the transcript of one file, but 2 are given" in answer.stderr
    assert model.loads == 0


@pytest.mark.parametrize("kind", list(TASKS))
def test_rows_of_every_task_fill_the_columns(kind):
    task = TASKS[kind]
    columns = result_columns(task, MODALITIES)
    outputs = {name: [0.0] * task.width for name in SUB_TASKS} | {"audio": None}
    clip = Clip("a", Path("a.mp4"), 1.0, 2.5, text="hello")
    row = result_row(task, MODALITIES, clip, "k", Prediction("a", task, outputs))
    assert set(row) == set(columns)
    absent = [
        column for column, cell in row.items() if cell is None and not column.endswith(BOUNDS)
    ]
    assert absent and all(column.startswith("audio ") for column in absent)
    if task.kind == "single-label":
        shares = [row[f"probability {name}"] for name in task.classes]
        assert sum(shares) == pytest.approx(1)
    assert set(failure_row(columns, clip, "k", "why")) == set(columns)
