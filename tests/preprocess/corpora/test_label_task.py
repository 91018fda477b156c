"""What a label column means: never a silent change of the task, whatever is mixed in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semanticmac.core import Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.label_task import Cell, find_task
from semanticmac.preprocess.corpora.labels import read_labels
from semanticmac.preprocess.corpora.tables import Row

SCORES = ["-3", "-2.5", "-1", "-0.4", "0", "0.2", "1", "1.5", "2", "3"]


def cells(*values: str) -> list[Cell]:
    """A column of labels, the first in line 2."""
    path = Path("clips.csv")
    column = []
    for line, value in enumerate(values, 2):
        column.append(Cell(Row(path, line, {"label": value}), "label", value.strip()))
    return column


def labels_of(task: Task, *values: str) -> list[object]:
    """The labels that the rows of a column get."""
    return [read_labels(cell.row, task).get("multimodal") for cell in cells(*values)]


@pytest.mark.parametrize("missing", ["NA", "N/A", "na", "#N/A", "<NA>"])
def test_na_among_numbers_is_not_labelled_and_told(missing):
    task, notes = find_task(cells(*SCORES, missing, missing))
    assert task == Task("regression")
    assert notes == ["2 labels are written NA or N/A: these clips count as not labelled"]
    assert labels_of(task, missing, "1.5") == [None, 1.5]


def test_a_name_among_numbers_is_an_error_that_names_the_line():
    with pytest.raises(CorpusError, match=r"clips\.csv, line 12: label is 'happy', but 10 of 11"):
        find_task(cells(*SCORES, "happy"))


def test_a_number_among_names_is_an_error_too():
    with pytest.raises(CorpusError, match=r"line 4: label is '3', but 3 of 4 .* names of classes"):
        find_task(cells("sad", "glad", "3", "sad"))


@pytest.mark.parametrize("values", [("0", "1"), ("0.0", "1.0"), ("1.0", "0", "1"), ("0.00", "1")])
def test_zero_and_one_are_binary_however_they_are_written(values):
    task, notes = find_task(cells(*values))
    assert task == Task("binary", ("0", "1")) and notes == []
    assert labels_of(task, *values) == [f"{float(value):g}" for value in values]


def test_decimal_commas_are_read_and_told():
    task, notes = find_task(cells("1,5", "-0,5", "2,0", "-3"))
    assert task == Task("regression")
    assert notes == ["3 labels are written with a decimal comma: 1,5 is read as 1.5"]
    assert labels_of(task, "1,5", "-0,5", "2,0", "-3") == [1.5, -0.5, 2.0, -3.0]


@pytest.mark.parametrize("minus", ["\u2212", "\ufe63", "\uff0d"])
def test_other_minus_signs_are_read_and_told(minus):
    values = (f"{minus}1,5", f"{minus}2", "-1", f"{minus}3e{minus}1")
    task, notes = find_task(cells(*values))
    assert task == Task("regression")
    assert notes == [
        f"1 label is written with a decimal comma: {minus}1,5 is read as -1.5",
        f"3 labels are written with another minus sign: {minus}1,5 is read as -1.5",
    ]
    assert labels_of(task, *values) == [-1.5, -2.0, -1.0, -0.3]
    # Without a number they stay names.
    assert find_task(cells(f"a{minus}b", "c"))[0] == Task("single-label", ("a" + minus + "b", "c"))


def test_a_number_behind_a_dash_is_refused_and_the_character_named():
    message = r"begins with a dash \(EN DASH, U\+2013\) and not with a minus sign; write -1,5"
    with pytest.raises(CorpusError, match=message):
        find_task(cells("\u20131,5", "\u20132"))
    task = find_task(cells("\u2013 very", "b"))[0]
    assert task is not None and task.classes == ("b", "\u2013 very")


def test_case_and_blanks_do_not_make_classes():
    values = ("Happy", "happy ", " HAPPY", "happy", "very sad", "Very  sad", "angry")
    task, notes = find_task(cells(*values))
    assert task == Task("single-label", ("Very  sad", "angry", "happy"))
    assert notes == [
        "'HAPPY', 'Happy' are read as the class 'happy'",
        "'very sad' is read as the class 'Very  sad'",
    ]
    assert labels_of(task, *values) == [*["happy"] * 4, *["Very  sad"] * 2, "angry"]


def test_an_outlier_is_an_error_that_names_the_cell():
    with pytest.raises(CorpusError, match=r"line 12: label is 99, but half of all labels lie"):
        find_task(cells(*SCORES, "99"))


@pytest.mark.parametrize(
    "values", [("0", "25", "50", "75", "100"), ("1", "2", "3", "4", "5", "6", "7"), ("1", "100")]
)
def test_a_wide_range_is_no_outlier(values):
    task, notes = find_task(cells(*values))
    assert task is not None and task.high >= 7
    assert "the range is" in notes[0]


NUMBERS = st.floats(-3, 3, allow_nan=False).map(lambda score: f"{score:.2f}")
COMMAS = NUMBERS.map(lambda text: text.replace(".", ","))
NAMES = st.sampled_from(["sad", "glad", "Sad ", "GLAD", "angry", "no idea", "3rd", "1_0", "inf?"])
GAPS = st.sampled_from(["NA", "N/A", "na", "<NA>"])
STRANGE = st.sampled_from(["NaN", "nan", "inf", "1.5.2", "--1", "1e999", "٣", "½"])


@given(st.lists(st.one_of(NUMBERS, COMMAS, NAMES, GAPS, STRANGE), min_size=1, max_size=30))
def test_any_mixture_is_scores_or_classes_or_an_error(values):
    """Each label keeps its meaning: a number stays a number, a name stays a class."""
    try:
        task, _ = find_task(cells(*values))
        labels = [] if task is None else labels_of(task, *values)
    except CorpusError as error:
        assert "clips.csv" in str(error)
        return
    if task is None:
        assert all(value.strip().lower() in {"na", "n/a", "<na>"} for value in values)
        return

    for value, label in zip(values, labels, strict=True):
        text = value.strip()
        if text.lower() in {"na", "n/a", "<na>"}:
            assert label is None
        elif task.kind == "regression":
            assert label == float(text.replace(",", "."))
        elif task.classes == ("0", "1"):
            assert isinstance(label, str) and float(label) == float(text.replace(",", "."))
        else:
            assert isinstance(label, str)
            assert "".join(label.casefold().split()) == "".join(text.casefold().split())
