"""Hostile label files: encodings, broken tables, numbers that are none."""

import time

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.tables import is_number, read_table, read_text


@pytest.mark.parametrize(
    "raw",
    [
        "a,b\nit’s,é\n".encode(),
        "a,b\nit’s,é\n".encode("utf-8-sig"),
        "a,b\r\nit’s,é\r\n".encode("cp1252"),
    ],
    ids=["utf-8", "utf-8 with a byte order mark", "windows-1252 with its line ends"],
)
def test_three_encodings_read_the_same(write, raw):
    table = read_table(write({"t.csv": raw}) / "t.csv", ("a", "b"))
    assert table.columns == ("a", "b")
    assert dict(table.rows[0].values) == {"a": "it’s", "b": "é"}


def test_a_byte_without_meaning_costs_one_letter(write):
    assert read_text(write({"t.txt": b"a\x81\xe9"}) / "t.txt") == "a�é"


def test_lines_are_counted_over_quoted_line_breaks_and_blank_lines(write):
    root = write({"t.csv": 'id,text\n1,"one\ntwo"\n\n2,"a ""quoted"" word, and a comma"\n'})
    rows = read_table(root / "t.csv").rows
    assert [(row.line, row.text("id")) for row in rows] == [(2, "1"), (5, "2")]
    assert rows[1].text("text") == 'a "quoted" word, and a comma'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", r"t\.csv, line 1: no column c; the header has a, b"),
        ("a,c,a\n1,2,3\n", r"t\.csv, line 1: the column a appears twice"),
        ("a,c\n1,2\n3\n", r"t\.csv, line 3: 1 cells, but the header has 2"),
        ('a,c\n1,"2\n', r"t\.csv, line 2: not a CSV record"),
        ("", r"t\.csv is empty, expected a header line with c"),
        (b"a\0", r"t\.csv contains NUL bytes"),
    ],
)
def test_a_broken_table_names_file_and_line(write, content, message):
    with pytest.raises(CorpusError, match=message):
        read_table(write({"t.csv": content}) / "t.csv", ("c",))


def test_a_table_of_very_many_columns_is_read_in_seconds(write):
    """Comparing each column with each other would take many minutes."""
    header = ",".join(f"c{number}" for number in range(300_000))
    path = write({"t.csv": header + "\n"}) / "t.csv"
    start = time.monotonic()
    assert len(read_table(path).columns) == 300_000
    with pytest.raises(CorpusError, match=r"no column file; the header has c0, .*and 299995 more$"):
        read_table(path, ("file",))
    assert time.monotonic() - start < 60


def test_an_absent_file_is_a_corpus_error(tmp_path):
    with pytest.raises(CorpusError, match=r"cannot read .*none\.csv: No such file"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "x", "1_60", "1,5"])
def test_what_is_no_finite_number_is_refused_with_its_line(write, value):
    row = read_table(write({"t.csv": f'a,label\n1,"{value}"\n'}) / "t.csv").rows[0]
    with pytest.raises(CorpusError, match=r"t\.csv, line 2: label is .*expected a"):
        row.number("label")


def test_an_empty_cell_is_no_number_and_no_name(write):
    row = read_table(write({"t.csv": "a,label\n1, \n"}) / "t.csv").rows[0]
    assert row.number("label") is None
    assert row.number("absent column") is None
    with pytest.raises(CorpusError, match=r"line 2: the column 'label' is empty"):
        row.name("label")


def test_numbers_are_told_from_names():
    assert [is_number(cell) for cell in ("-1.5", "03", "nan", "1_60", "happy", "")] == [
        True,
        True,
        True,
    ] + [False] * 3
