"""The HTML page and the page in Markdown: sentences, chart, escaping."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.leaderboards import board

from semanticmac.eval.leaderboard.markdown import to_markdown
from semanticmac.eval.leaderboard.page import chart, leaderboard_html, summary
from semanticmac.eval.leaderboard.result import Leaderboard
from semanticmac.eval.leaderboard.write import write_leaderboard

ROOT = Path(__file__).parents[3]


def test_the_summary_says_what_the_table_shows() -> None:
    assert summary(board()) == (
        "mult has the best MAE, 0.600.",
        "These are not significantly worse at 0.05 on these clips: misa.",
        "Text alone is on rank 3 of 3, with 0.925.",
        "Not better than a constant prediction: text.",
    )


def test_the_chart_has_the_best_model_on_top_and_a_dot_a_seed() -> None:
    drawn = chart(board())
    assert [bar.name for bar in drawn.bars] == ["mult", "misa", "text"]
    assert [len(bar.seeds) for bar in drawn.bars] == [2, 1, 2]
    assert drawn.bars[0].mean < drawn.bars[1].mean < drawn.bars[2].mean
    assert len(drawn.constants) == 1 and all(drawn.left < x < drawn.width for x, _ in drawn.ticks)


def test_the_page_escapes_names_and_needs_no_network() -> None:
    page = leaderboard_html(board())
    assert "text &lt;alone&gt;" in page and "<alone>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "the loss became nan" in page and "Tsai et al., ACL 2019" in page


def test_all_files_are_written(tmp_path: Path) -> None:
    names = [path.name for path in write_leaderboard(board(), tmp_path)[0]]
    assert names == ["result.json", "leaderboard.csv", "leaderboard.tex", "leaderboard.html"]
    assert Leaderboard.read(tmp_path / "result.json") == board()


def test_without_the_libraries_of_the_page_the_result_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_leaderboard(board(), tmp_path)
    monkeypatch.setitem(sys.modules, "jinja2", None)  # an import of it fails
    written, notes = write_leaderboard(board(), tmp_path)
    assert [path.name for path in written] == ["result.json", "leaderboard.csv", "leaderboard.tex"]
    assert notes == [
        "leaderboard.html is not written: the page needs Jinja2: pip install 'semanticmac[report]'"
    ]
    assert not (tmp_path / "leaderboard.html").exists()


def test_the_page_of_scores_needs_no_matplotlib() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; "
        "from support.leaderboards import board; "
        "from semanticmac.eval.leaderboard.page import leaderboard_html; "
        "print(len(leaderboard_html(board())))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_markdown_tables_have_equal_rows() -> None:
    page = to_markdown([board(), replace(board(), dataset="other")])
    assert page.count("\n## demo\n") == 1 and page.count("\n## other\n") == 1
    assert "| **mult** | 1 | 0.600 ± 0.000 |" in page
    width = 0
    for line in page.splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.replace("\\|", "").count("|")
        assert width in (0, cells), line
        width = cells


def test_markdown_shows_names_and_notes_as_plain_text() -> None:
    hostile = "a\n| b | <script>x</script> [y](z) **w**"
    rows = [replace(row, name=hostile, summary=hostile) for row in board().rows]
    page = to_markdown([replace(board(), rows=tuple(rows), dataset=hostile, device=hostile)])
    section = page.partition("## a ")[2]
    assert "<" not in section and "](" not in section.replace("\\[y](", "")
    assert "| a \\| b \\| &lt;script>x&lt;/script> \\[y](z) \\*\\*w\\*\\* | 3 |" in section


def test_the_page_of_the_docs_is_what_the_command_writes(tmp_path: Path) -> None:
    results = sorted((ROOT / "docs" / "leaderboard").glob("*.json"))
    assert results
    page = to_markdown([Leaderboard.read(path) for path in results])
    assert (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8") == page


def test_the_command_refuses_half_of_its_options() -> None:
    words = [sys.executable, "-m", "semanticmac.cli", "leaderboard", "--to", "page.md"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and "belong together" in done.stderr
