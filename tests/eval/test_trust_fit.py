"""The trust of a run: fitted once, kept with the weights it belongs to, shown by eval."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from support.program import semanticmac

from semanticmac.cache.records import Embeddings
from semanticmac.eval import trust_fit
from semanticmac.eval.calibration import fit_temperature
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import evaluate
from semanticmac.eval.metrics.scores import labelled
from semanticmac.eval.trust import MIN_ERRORS, conformal_half_width
from semanticmac.eval.trust_fit import (
    FILE,
    fit_trust,
    no_interval_notes,
    read_trust,
    report_trust,
    update_trust,
    write_trust,
)
from semanticmac.run.folder import RunError
from semanticmac.run.weights import load_run

CPU = torch.device("cpu")


@pytest.fixture(params=["regression", "single-label"])
def data(request, walks, tmp_path, monkeypatch):
    monkeypatch.setattr(trust_fit, "MIN_CLIPS", 8)
    walk = walks[request.param]
    run = shutil.copytree(walk.run, tmp_path / "run")
    return run, EvalData.open(load_run(run, CPU), walk.layout, CPU)


def test_it_is_fitted_on_validation_and_read_again(data):
    run, opened = data
    valid = opened.predict(opened.rows("valid"))
    trust = fit_trust(opened, valid)
    task = opened.trained.info.task
    truth, outputs = labelled(task, valid.truth, valid.multimodal, "valid")
    if task.kind == "regression":
        # Eight validation clips are too few for nine in ten.
        assert (trust.half_widths, trust.temperature) == ((None,) * task.width, 1.0)
    else:
        assert trust.temperature == pytest.approx(fit_temperature(task, truth, outputs))
        assert trust.half_widths == ()
    assert set(trust.densities) == {"vision", "audio"}

    write_trust(run, trust)
    again = read_trust(run, opened.trained.info)
    assert again is not None
    key = opened.manifest.rows[0].key
    assert again.unusual(opened.reader.get(key)) == trust.unusual(opened.reader.get(key))
    strange = Embeddings(np.full((3, 8), 60.0, np.float16), None)
    assert again.unusual(strange) == ("vision",)


def test_of_other_weights_or_damaged_it_is_fitted_again(data):
    run, opened = data
    result = evaluate(opened.trained, opened.layout, "test", CPU)
    report = update_trust(run, opened, result)
    assert 0 <= report.unusual <= 1
    info = opened.trained.info
    other = replace(info, files={**info.files, "model.safetensors": "0" * 64})
    assert read_trust(run, other) is None
    good = (run / FILE).read_bytes()
    flipped = bytearray(good)
    flipped[-5] ^= 1
    changed = good.replace(b'temperature\\": ', b'temperature\\":1')
    assert changed != good
    for damaged in (b"", good[: len(good) // 2], b"{}" * 50, bytes(flipped), changed):
        (run / FILE).write_bytes(damaged)
        with pytest.raises(RunError, match="is damaged or was changed"):
            read_trust(run, info)
        assert update_trust(run, opened, result) == report
        assert (run / FILE).read_bytes() == good


def test_the_report_counts_what_holds(data):
    _, opened = data
    if opened.trained.info.task.kind != "regression":
        pytest.skip("scores have intervals")
    trust = replace(fit_trust(opened, opened.predict(opened.rows("valid"))), half_widths=(0.3,))
    predictions = opened.predict(opened.rows("test"))
    errors = np.abs(predictions.truth[:, 0] - predictions.multimodal[:, 0])
    low, high = opened.trained.info.task.low, opened.trained.info.task.high
    inside = errors <= 0.3
    assert (np.abs(predictions.multimodal) < min(-low, high)).all()
    report = report_trust(opened, trust, "test", predictions)
    assert report.covered == pytest.approx((inside.mean(),))


def test_scores_without_an_interval_have_a_reason(data):
    _, opened = data
    trust = fit_trust(opened, opened.predict(opened.rows("valid")))
    notes = trust.notes(opened.trained.info.task)
    if opened.trained.info.task.kind == "regression":
        assert notes == ("no 90 % interval: fewer than 9 validation clips have that score",)
    else:
        assert notes == ()


def test_only_the_scores_that_lack_an_interval_are_named():
    [note] = no_interval_notes(("valence", "arousal", "effort"), (None, 0.5, None))
    assert note.startswith("no 90 % interval of valence, effort: ")
    assert np.isfinite(conformal_half_width([0.1] * MIN_ERRORS))
    assert not np.isfinite(conformal_half_width([0.1] * (MIN_ERRORS - 1)))


def test_few_clips_have_no_density(data, monkeypatch):
    _, opened = data
    monkeypatch.setattr(trust_fit, "MIN_CLIPS", 9)
    valid = opened.predict(opened.rows("valid"))
    assert len(opened.rows("valid")) == 8
    assert fit_trust(opened, valid).densities == {}


def test_eval_writes_and_says_it(data):
    run, opened = data
    answer = semanticmac(run.parent, "eval", "--run", run, "--cache", opened.layout.root)
    assert "of the clips are unlike the train clips" in answer.stdout
    is_regression = opened.trained.info.task.kind == "regression"
    assert ("no 90 % interval: fewer than 9" in answer.stdout) == is_regression
    assert "trust.safetensors" in answer.stderr
    assert (run / FILE).exists()


def test_a_length_far_outside_of_train_is_unusual_and_older_files_know_none(data):
    run, opened = data
    trust = fit_trust(opened, opened.predict(opened.rows("valid")))
    seconds = [row.duration_s for row in opened.manifest.split("train")]
    assert trust.lengths_s == (min(seconds), max(seconds))
    assert not trust.unusual_length(max(seconds)) and not trust.unusual_length(min(seconds))
    assert trust.unusual_length(2.1 * max(seconds)) and trust.unusual_length(0.4 * min(seconds))
    write_trust(run, trust)
    again = read_trust(run, opened.trained.info)
    assert again is not None and again.lengths_s == trust.lengths_s
    assert not replace(trust, lengths_s=None).unusual_length(1e9)


def test_a_file_of_one_half_width_is_read(data):
    """As it was before a task had several scores."""
    run, opened = data
    trust = fit_trust(opened, opened.predict(opened.rows("valid")))
    tensors: dict[str, np.ndarray] = {}
    scalars = {}
    for modality, density in trust.densities.items():
        for name in ("mean", "deviation", "directions", "variances"):
            tensors[f"{modality}.{name}"] = np.ascontiguousarray(getattr(density, name))
        scalars[modality] = {"rest": density.rest, "threshold": density.threshold}
    numbers = {
        "weights": trust.weights,
        "half_width": 0.5,
        "temperature": 1.0,
        "densities": scalars,
    }
    text = json.dumps(numbers)
    metadata = {"trust": f"{trust_fit._checksum(text, tensors)} {text}"}
    save_file(tensors, run / FILE, metadata)
    again = read_trust(run, opened.trained.info)
    assert again is not None and again.lengths_s is None
    assert again.half_widths == (0.5,) * len(opened.trained.info.task.dimensions)
