"""A ResultsTable as the HTML page reads it."""

from __future__ import annotations

from dataclasses import replace

from support.tables import TABLE

from semanticmac.eval.report.write_html import HtmlCell, to_html


def test_cells_keep_their_texts_for_the_template_and_shades_become_colours() -> None:
    page = to_html(TABLE)
    assert page.head == ("", "=F1 (a_b)", "MAE") and page.css_class == "shaded"
    assert page.rows[:3] == (
        (HtmlCell("@paper"), HtmlCell("86.4", "own"), HtmlCell("")),
        (HtmlCell("[red]"), HtmlCell("undefined", "own"), HtmlCell("1.250")),
        (
            HtmlCell("-ours"),
            HtmlCell("87.5 ± 1.2", "own"),
            HtmlCell("undefined", "undefined", "background: rgba(0, 114, 178, 0.275)"),
        ),
    )
    assert page.rows[3][1].text == "<i>x_y</i>"


def test_a_table_without_shades_is_plain() -> None:
    assert to_html(replace(TABLE, rows=TABLE.rows[:2])).css_class == ""
