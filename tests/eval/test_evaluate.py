"""Evaluation follows the rules of the corpus."""

from __future__ import annotations

import shutil
from dataclasses import replace

import torch
from support.planted import Walk

from semanticmac.cache.manifest import Manifest
from semanticmac.core import Task
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import disagreement_notes, evaluate, text_notes
from semanticmac.model.head_mixture import HeadMixture
from semanticmac.run.weights import load_run
from semanticmac.train.toml_settings import preset

CPU = torch.device("cpu")


def test_rules_and_settings_follow_the_corpus_not_its_name_in_the_cache(walks, tmp_path):
    manifest = Manifest.read(walks["regression"].layout.manifest("planted"))
    assert manifest.corpus == "planted"  # where nothing else is said
    shutil.copytree(walks["regression"].layout.root, tmp_path / "cache")
    layout = replace(walks["regression"].layout, root=tmp_path / "cache")
    sims = replace(manifest, corpus="sims", task=Task("regression", low=-1, high=1))
    sims.write(layout.manifest("planted"))
    assert Manifest.read(layout.manifest("planted")).corpus == "sims"
    result = evaluate(load_run(walks["regression"].run, CPU), layout, "test", CPU)
    assert [metric.name for metric in result.scores.metrics][:3] == ["Acc-2", "F1", "Acc-3"]
    assert (result.dataset, result.corpus) == ("planted", "sims")
    assert preset("sims", "sims-new") == replace(preset("sims"), dataset="sims-new")


def test_texts_that_lose_their_end_are_said(walks: dict[str, Walk]) -> None:
    trained = walks["regression"].open().trained
    long = "i love the film " * 40
    assert text_notes(trained, ["i love", ""]) == ()
    assert text_notes(trained, ["i love", long], without=["text"]) == ()
    assert text_notes(trained, ["i love", long]) == (
        "longer than max_tokens=64: 1 of 2 texts lost their end",
    )


def test_clips_whose_heads_disagree_are_reported(walks: dict[str, Walk]) -> None:
    """A mixture with limits of 0 is beyond them everywhere; without limits nowhere."""
    walk = walks["regression"]
    model = load_run(walk.run, CPU).model
    model.mixture = HeadMixture()
    predictions = EvalData.open(load_run(walk.run, CPU), walk.layout, CPU)
    outputs = predictions.predict(predictions.rows("test"))
    assert disagreement_notes(model, outputs) == ()
    weights = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    model.mixture.set(weights, torch.full((3,), torch.inf), torch.ones(5), "regression")
    assert disagreement_notes(model, outputs) == ()
    model.mixture.set(weights, torch.zeros(3), torch.ones(5), "regression")
    [note] = disagreement_notes(model, outputs)
    assert "100% of the clips" in note and "shortcut" in note
