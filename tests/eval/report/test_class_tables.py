"""The tables of classes and of their confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from support.score_tables import IEMOCAP, MOSEI, RAVDESS, SENTIMENT, printed, row, scores_of

from semanticmac.eval.metrics.scores import score
from semanticmac.eval.report.class_tables import class_table, confusion_table, numbered
from semanticmac.eval.report.write_terminal import to_terminal


def test_class_and_confusion_tables() -> None:
    truth, logits = np.eye(6)[[0, 1, 2, 2]], np.eye(6)[[0, 2, 2, 2]]
    scores = score("iemocap", IEMOCAP, truth, logits, train_truth=truth)
    assert row(printed(to_terminal(numbered(confusion_table(scores)))), "sad") == [
        "0",
        "0",
        "1",
        "0",
        "0",
        "0",
    ]
    assert row(printed(to_terminal(class_table(scores))), "neu") == [
        "2",
        "3",
        "2",
        "66.7",
        "100.0",
        "80.0",
    ]
    assert row(printed(to_terminal(class_table(scores))), "sad") == [
        "1",
        "0",
        "0",
        "undefined",
        "0.0",
        "0.0",
    ]
    with pytest.raises(ValueError, match="this is a regression task"):
        class_table(scores_of("mosi", SENTIMENT))
    with pytest.raises(ValueError, match="does not give every clip one class"):
        confusion_table(scores_of("mosei-emotion", MOSEI))


def test_many_classes_are_numbered_across_and_named_downward() -> None:
    scores = scores_of("ravdess", RAVDESS)
    text = printed(to_terminal(numbered(confusion_table(scores))))
    assert text.splitlines()[1].split() == ["true", "↓", "predicted", "→", *"12345678"]
    for number, (name, line) in enumerate(
        zip(RAVDESS.classes, scores.confusion, strict=True), start=1
    ):
        assert row(text, f"{number} {name}") == list(map(str, line))
