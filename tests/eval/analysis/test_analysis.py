"""The paper's analyses: formulas against slow twins, and every analysis from a cache and a run to its files."""

from __future__ import annotations

import csv
import io
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from semanticmac.cache.batch import Batch
from semanticmac.cli import app
from semanticmac.commands import analyze as verb
from semanticmac.eval.analysis import attention, balance, cases, frames, labels, probe, represent
from semanticmac.eval.analysis.catalogue import ANALYSES, analysis
from semanticmac.eval.analysis.figure import AnalysisError, thinned
from semanticmac.model.attention import split_heads
from semanticmac.run.pseudo_labels import PseudoHistory


def inside_by_loop(reference: np.ndarray, points: np.ndarray, k: int) -> float:
    """Kynkäänniemi et al. 2019, equation 1, one point at a time."""
    hits = 0
    for point in points:
        for centre in reference:
            reach = sorted(np.linalg.norm(centre - other) for other in reference)[
                k
            ]  # 0 is the point itself
            if np.linalg.norm(point - centre) <= reach:
                hits += 1
                break
    return hits / len(points)


def test_precision_and_recall_equal_the_loop():
    draw = np.random.default_rng(0)
    reference, points = draw.normal(size=(40, 3)), 1.2 + 0.8 * draw.normal(size=(30, 3))
    precision, recall = balance.precision_recall(reference, points, 3)
    assert precision == inside_by_loop(reference, points, 3) and recall == inside_by_loop(
        points, reference, 3
    )
    assert 0 < precision < 1 and 0 < recall < 1
    assert balance.precision_recall(reference, reference, 3) == (1.0, 1.0)
    assert balance.precision_recall(reference, points + 100, 3) == (0.0, 0.0)
    with pytest.raises(ValueError, match="no 3-th neighbour"):
        balance.radii(points[:3], 3)


def test_what_the_modalities_add_is_z(walks):
    data = walks["regression"].open()
    found = represent.represent(data, data.rows("test"))
    bias = data.trained.model.fuse.bias.detach().double().numpy()
    added = balance.contributions(data.trained.model, found)
    np.testing.assert_allclose(added.sum(axis=1) + bias, found.fused, atol=1e-5)


def test_pooled_frames_are_means_of_the_cache(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    found = represent.represent(data, rows)
    for n, row in enumerate(rows):
        cached = data.reader.get(row.key)
        np.testing.assert_allclose(
            found.cached["audio"][n], cached.audio.astype(float).mean(0), atol=1e-5
        )
        np.testing.assert_allclose(
            found.cached["vision"][n], cached.vision.astype(float).mean(0), atol=1e-5
        )
    assert np.allclose(np.linalg.norm(represent.unit(found.fused), axis=1), 1)
    assert not represent.unit(np.zeros((2, 3))).any()


def test_attention_equals_the_loop_and_sums_to_one_over_real_frames(walks):
    data = walks["regression"].open()
    encoder = data.trained.model.frame_encoders["vision"]
    [batch] = data.batches(data.rows("test"))
    with torch.no_grad():
        weights = attention.attention_of(encoder, batch.vision, batch.vision_mask)
        layer = encoder.perceiver.layers[0]
        for n in range(len(batch)):
            real = batch.vision[n, batch.vision_mask[n]]
            keys = layer.to_key(layer.norm_frames(real + encoder.position[: len(real)]))
            queries = layer.to_query(layer.norm_tokens(encoder.perceiver.tokens))
            slow = torch.zeros(len(real))
            for q, k in zip(
                split_heads(queries[None], 2)[0], split_heads(keys[None], 2)[0], strict=True
            ):
                slow += (q @ k.T / q.shape[1] ** 0.5).softmax(1).mean(0) / 2
            torch.testing.assert_close(weights[n, : len(real)], slow, atol=1e-5, rtol=1e-5)
            assert not weights[n, len(real) :].any()
    torch.testing.assert_close(weights.sum(1), torch.ones(len(batch)))
    alone = attention.attention(data, data.rows("test")[2:3])[0]
    together = attention.attention(data, data.rows("test"))[2]
    np.testing.assert_allclose(alone["audio"][1], together["audio"][1], atol=1e-6)


def test_a_fixed_number_of_frames_is_chosen_evenly():
    vision = torch.arange(1.0, 8)[None, :, None].repeat(2, 1, 1)  # frames 1 … 7
    mask = torch.tensor([[True] * 7, [True] * 2 + [False] * 5])
    nothing = torch.zeros(2, 1, dtype=torch.bool)
    batch = Batch(
        ("a", "b"),
        torch.arange(2),
        torch.zeros(2, 1).long(),
        nothing,
        vision,
        mask,
        vision,
        mask,
        vision,
    )
    for count in (3, 10):
        chosen = frames.choose_frames(batch, count)
        for row, length in ((0, 7), (1, 2)):
            assert chosen.vision[row, :, 0].tolist() == [
                j * length // count + 1 for j in range(count)
            ]
        assert chosen.vision_mask.all() and chosen.audio.shape == (2, count, 1)
    absent = replace(batch, audio_mask=torch.zeros_like(mask))
    assert not frames.choose_frames(absent, 3).audio_mask.any()


def test_probes_read_what_is_linear_and_choose_on_validation(walks):
    draw = np.random.default_rng(0)
    points, direction = draw.normal(size=(300, 5)), np.array([1.0, -2, 0.5, 0, 0])
    score = (points @ direction)[:, None]
    task = walks["regression"].open().trained.info.task
    sides = [(points[a:b], score[a:b]) for a, b in ((0, 200), (200, 250), (250, 300))]
    said, strength = probe.fit(task, sides[0], sides[1], sides[2][0])
    assert strength == min(probe.STRENGTHS) and np.abs(said - sides[2][1]).max() < 0.01
    noise = [(points[a:b], draw.normal(size=(b - a, 1))) for a, b in ((0, 20), (20, 120))]
    assert probe.fit(task, *noise, points[:1])[1] == max(probe.STRENGTHS)
    binary = walks["binary"].open().trained.info.task
    said, _ = probe.fit(binary, *[(x, (y > 0).astype(float)) for x, y in sides[:2]], sides[2][0])
    assert ((said > 0) == (sides[2][1] > 0)).mean() > 0.95
    everyone = [(x, np.ones_like(y)) for x, y in sides[:2]]
    assert (probe.fit(binary, *everyone, sides[2][0])[0] > 0).all()


def test_disagreement_is_the_widest_gap(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    said = data.predict(rows)
    found = cases.find_cases(data.trained.info.task, rows, said, {})
    gaps = {c: np.ptp(said.outputs[n, 2:, 0].clip(-3, 3)) for n, c in enumerate(said.clip_ids)}
    assert [case.row.clip_id for case in found] == sorted(gaps, key=lambda c: -gaps[c])
    assert found[0].disagreement == pytest.approx(max(gaps.values()))
    shares = cases.probable(
        walks["single-label"].open().trained.info.task, np.array([1.0, 2.0, 3.0])
    )
    assert shares.sum() == pytest.approx(1)


def test_pseudo_labels_are_set_against_people(walks):
    rows = list(walks["regression"].open().manifest.split("train"))[:4]
    rows = [replace(row, label_text=[float(n)]) if n < 3 else row for n, row in enumerate(rows)]
    people, own = np.array([0.0, 1, 2]), np.array([row.label[0] for row in rows[:3]])
    taught = np.zeros((2, 4, 4, 1)) + 0.5
    found = labels.against_people(
        PseudoHistory(tuple(row.clip_id for row in rows), (1, 2), taught), rows
    )
    assert [row[:3] for row in found.rows] == [("text", 1, 3), ("text", 2, 3)]
    assert found.rows[0][3] == pytest.approx(np.abs(people - 0.5).mean())
    assert found.rows[0][4] == pytest.approx(np.abs(people - own).mean())
    assert found.rows[0][5] is None  # a constant has no correlation


@pytest.mark.parametrize("kind", ["regression", "single-label", "multi-label", "binary"])
def test_every_analysis_leaves_pictures_and_numbers(walks, kind, tmp_path):
    walk = walks[kind]
    data = walk.open()
    # The slow ones once: what they draw does not depend on the kind of label, and the other tests
    # score by it.
    names = ANALYSES if kind == "regression" else ("calibration", "cases", "probe")
    for name in names:
        written = analysis(name)(data, walk.run, "test").write(tmp_path)
        assert {path.suffix for path in written} == {".png", ".svg", ".csv"} and written[
            0
        ].name.startswith(name)
        for path in written:
            if path.suffix == ".svg":
                ET.parse(path)
            if path.suffix == ".csv":
                header, first, *_ = list(csv.reader(path.open()))
                assert len(header) == len(first) and "nan" not in path.read_text()


def test_two_runs_of_an_analysis_leave_the_same_bytes(walks, tmp_path):
    for side in ("a", "b"):
        walk = walks["regression"]
        analysis("calibration")(walk.open(), walk.run, "test").write(tmp_path / side)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_what_a_run_cannot_have_is_said(walks, tmp_path):
    walk = walks["regression"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    shutil.rmtree(run / "pseudo_labels")
    with pytest.raises(AnalysisError, match="kept no pseudo labels"):
        labels.analyse(walk.open(), run, "test")
    with pytest.raises(AnalysisError, match="there is no analysis 'ballance'"):
        analysis("ballance")
    done = CliRunner().invoke(
        app, ["analyze", "calibration", "--run", str(run), "--cache", str(walk.layout.root)]
    )
    assert done.exit_code == 0 and (run / "analysis/calibration.svg").exists()
    assert list(thinned(3, 5)) == [0, 1, 2] and list(thinned(10, 5)) == [0, 2, 4, 6, 8]


def test_results_stand_on_lines_of_their_own_below_the_bars(walks, tmp_path, monkeypatch):
    walk = walks["regression"]
    terminal = io.StringIO()  # both streams end in one terminal
    for name in ("out", "err"):
        monkeypatch.setattr(
            verb, name, Console(file=terminal, force_terminal=True, width=80, color_system=None)
        )
    names = ["calibration", "labels"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    verb.analyze(names, run=run, cache=walk.layout.root)
    below = terminal.getvalue().rpartition("2/2")[2].replace("\x1b[?25h", "").splitlines()[1:]
    assert [line.partition(":")[0] for line in below if ":" in line] == names
    shutil.rmtree(run / "pseudo_labels")  # what was done before one fails is told all the same
    with pytest.raises(AnalysisError, match="kept no pseudo labels"):
        verb.analyze(names, run=run, cache=walk.layout.root)
    below = terminal.getvalue().rpartition("1/2")[2].replace("\x1b[?25h", "").splitlines()[1:]
    assert [line.partition(":")[0] for line in below if ":" in line] == names[:1]
