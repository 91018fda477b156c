"""A ResultsTable as LaTeX."""

from __future__ import annotations

from dataclasses import replace

from support.tables import TABLE

from semanticmac.eval.report.results_table import Column, Row, text_cell
from semanticmac.eval.report.write_latex import to_latex


def test_rows_are_models_and_names_are_text() -> None:
    all_columns = replace(TABLE, rows=TABLE.rows[1:])
    lines = to_latex(all_columns).splitlines()
    assert lines[3:] == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & =F1 (a\_b) & MAE \\",
        r"\midrule",
        r"{[}red] & -- & $1.250$ \\",
        r"\midrule",
        r"-ours & $87.5 \pm 1.2$ & -- \\",
        r"{*} & \textless{}i\textgreater{}x\_y\textless{}/i\textgreater{} & +1+1 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\caption{100 \% of \$\textbackslash{}foo\$}",
        r"\end{table}",
    ]


def test_columns_are_those_of_the_paper_where_it_prints_a_number() -> None:
    text = to_latex(TABLE)
    assert r"\begin{tabular}{lr}" in text and "MAE" not in text
    assert r"@paper (utterance) & $86.4$ \\" in text


def test_a_name_cannot_end_its_line_or_start_a_command() -> None:
    name = "a\n\n\\input{x} & 100% ~^{2} #1"
    table = replace(TABLE, columns=(Column(name),), rows=(Row(name, (text_cell(name),)),))
    escaped = (
        r"a \textbackslash{}input\{x\} \& 100\% "
        r"\textasciitilde{}\textasciicircum{}\{2\} \#1"
    )
    assert rf"{escaped} & {escaped} \\" in to_latex(table).splitlines()
