"""Files of results: every row survives a stop, no text is a formula, other files are refused."""

import csv
import json

import pytest

from semanticmac.eval.report.results_file import ResultsFile, ResultsFileError

COLUMNS = ("clip", "score", "text", "status", "key")
HOSTILE = ["=1+1", "@x", "+a", 'so,"it"\nis', "\u2028x", "\x07bell", "", "ü"]


def row(key, text="hello", status="done", score=0.5):
    return {"clip": f"c{key}", "score": score, "text": text, "status": status, "key": str(key)}


@pytest.fixture(params=[".csv", ".jsonl", ".xlsx"])
def path(request, tmp_path):
    if request.param == ".xlsx":
        pytest.importorskip("openpyxl")
    return tmp_path / f"results{request.param}"


def rows_of(path):
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().split("\n") if line]
    from openpyxl import load_workbook

    lines = list(load_workbook(path).worksheets[0].iter_rows())
    columns = [cell.value for cell in lines[0]]
    for line in lines:
        assert all(cell.data_type != "f" for cell in line)
    return [dict(zip(columns, (c.value for c in line), strict=True)) for line in lines[1:]]


def test_a_stopped_file_goes_on(path):
    first = ResultsFile(path, COLUMNS)
    first.add(row(1))
    first.add(row(2, status="failed", score=None))
    again = ResultsFile(path, COLUMNS)  # without close: the process was killed
    assert again.done == {"1"}
    again.add(row(2))
    again.add(row(3))
    again.close()
    assert [(entry["clip"], entry["status"]) for entry in rows_of(path)] == [
        ("c1", "done"),
        ("c2", "done"),
        ("c3", "done"),
    ]
    finished = ResultsFile(path, COLUMNS)
    assert finished.done == {"1", "2", "3"}


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_row_without_its_end_is_removed(path, cut):
    results = ResultsFile(path, COLUMNS)
    results.add(row(1))
    results.add(row(2, text="a longer text, with commas, that is cut somewhere in its middle"))
    growing = results._growing
    growing.write_bytes(growing.read_bytes()[:-cut])
    again = ResultsFile(path, COLUMNS)
    assert again.done == {"1"}
    again.add(row(2))
    again.close()
    assert [entry["clip"] for entry in rows_of(path)] == ["c1", "c2"]


def test_texts_of_strangers_are_texts(path):
    results = ResultsFile(path, COLUMNS)
    for index, text in enumerate(HOSTILE):
        results.add(row(index, text))
    results.close()
    entries = rows_of(path)
    assert len(entries) == len(HOSTILE)
    if path.suffix == ".jsonl":
        assert [entry["text"] for entry in entries] == HOSTILE
    if path.suffix == ".csv":
        assert not any(entry["text"].startswith(("=", "+", "-", "@")) for entry in entries)
        assert len(path.read_bytes().splitlines()) == len(HOSTILE) + 1
    assert ResultsFile(path, COLUMNS).done == {str(index) for index in range(len(HOSTILE))}


def test_a_file_of_another_run_is_refused_and_left_as_it_is(path):
    results = ResultsFile(path, COLUMNS)
    results.add(row(1))
    results.close()
    before = path.read_bytes()
    with pytest.raises(ResultsFileError, match="it is of another run; give another name"):
        ResultsFile(path, ("clip", "joy", "status", "key"))
    assert path.read_bytes() == before


def test_a_table_of_other_columns_without_a_row_is_refused(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("clip,joy,status,key\n")
    with pytest.raises(ResultsFileError, match="has the columns clip, joy, status, key, but"):
        ResultsFile(path, COLUMNS)
    assert path.read_text() == "clip,joy,status,key\n"


def test_a_row_with_too_many_cells_is_refused(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text(",".join(COLUMNS) + "\nc1,0.5,hello,done,1,surplus\n")
    with pytest.raises(ResultsFileError, match="give another name"):
        ResultsFile(path, COLUMNS)


def test_an_empty_file_gets_its_head(path):
    if path.suffix != ".xlsx":
        path.touch()
    results = ResultsFile(path, COLUMNS)
    results.add(row(1))
    results.close()
    assert [entry["clip"] for entry in rows_of(path)] == ["c1"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx"])
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path, suffix):
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    path = tmp_path / f"thesis{suffix}"
    path.write_text("Chapter 1\nIt was a dark night.\n")
    with pytest.raises(ResultsFileError, match="give another name"):
        ResultsFile(path, COLUMNS)
    assert path.read_text().startswith("Chapter 1")


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ResultsFileError, match=r"ends with .csv, .jsonl, .xlsx"):
        ResultsFile(tmp_path / "results.txt", COLUMNS)
