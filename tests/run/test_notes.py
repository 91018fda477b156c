"""Warnings about models."""

from __future__ import annotations

from semanticmac.run.notes import notes_of_runs, unfinished_notes


def test_a_note_of_all_runs_is_repeated_once_and_another_names_its_run() -> None:
    runs = [("a", ("untrained", "stopped")), ("b", ("untrained",))]
    assert notes_of_runs(runs) == ("untrained", "a: stopped")
    assert notes_of_runs(runs[:1]) == ("untrained", "stopped") and notes_of_runs([]) == ()


def test_an_unfinished_training_is_named_with_its_epoch() -> None:
    assert unfinished_notes(True, 3) == ()
    assert unfinished_notes(False, 3) == (
        "training is not finished: epoch 3 is scored, the best so far",
    )
