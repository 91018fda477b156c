"""A ResultsTable as LaTeX: a booktabs table with one model in each row, as in papers."""

from __future__ import annotations

from semanticmac.eval.report.results_table import Cell, ResultsTable, Row, format_cell

_ESCAPES = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        # After the end of a line, a bracket or a star would be read as its argument.
        "[": "{[}",
        "*": "{*}",
        # Characters that pdfLaTeX does not set in text.
        "−": "$-$",
        "→": r"$\rightarrow$",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "≈": r"$\approx$",
        "½": r"$\frac{1}{2}$",
        "α": r"$\alpha$",
        "β": r"$\beta$",
    }
)

_MOST_COLUMNS = 4  # at the size of the text; a table with more is shrunk to its width


def to_latex(results: ResultsTable) -> str:
    """The columns that the paper has, or all where it has none; a missing number is a dash."""
    if results.quoted_places:
        results = results.select(results.quoted_places)
    is_wide = len(results.columns) > _MOST_COLUMNS
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        *([r"\resizebox{\textwidth}{!}{%"] if is_wide else []),
        r"\begin{tabular}{l" + "r" * len(results.columns) + "}",
        r"\toprule",
        _line("", [_escaped(column.header) for column in results.columns]),
        r"\midrule",
    ]
    previous: Row | None = None
    for row in results.rows:
        if previous is not None and previous.origin != row.origin:
            lines.append(r"\midrule")
        name = f"{row.name} ({row.setting})" if row.setting else row.name
        lines.append(_line(_escaped(name), list(map(_latex, row.cells))))
        previous = row
    lines += [
        r"\bottomrule",
        r"\end{tabular}" + ("}" if is_wide else ""),
        rf"\caption{{{_escaped(results.caption)}}}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return " & ".join([name, *cells]) + r" \\"


def _latex(cell: Cell | None) -> str:
    if cell is None or not (cell.text or cell.value is not None):
        return "--"
    if cell.text and not _is_number(cell.text):
        return _escaped(cell.text)
    number = format_cell(cell, plus_minus=r" \pm ").replace("−", "-")
    return f"${number}$"


def _escaped(text: str) -> str:
    """Text that LaTeX prints as it is, on one line."""
    return " ".join(text.split()).translate(_ESCAPES)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
