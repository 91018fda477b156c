"""What each change of the paper's form is worth: tables of benchmarks/fusion_page.py."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.fusion_runs import PAPER, TEXT_ONLY, TUNED, Runs, gains, pays, spread

# The columns of the table of single changes.
SHOWN_GAINS = (
    ("noise", "valid"), ("noise", "test"), ("weak", "test"), ("honest", "valid"),
    ("honest", "test"),
)  # fmt: skip


def changes(runs: Runs) -> list[str]:
    rows = []
    for run in runs.runs:
        if run["text"] == "sentiment" and run["row"] not in (PAPER, TUNED, TEXT_ONLY, *rows):
            rows.append(run["row"])
    rows.sort(key=lambda row: str(row).startswith(TUNED))
    lines = [
        "## Each change by itself",
        "",
        "Gain over `paper` on `sentiment` with the same seed, in MAE; `honest` is the corpus where "
        "all modalities help. A change",
        "pays if its mean gain is greater than its standard deviation over the seeds. A cell "
        "without ± has one seed; with fewer",
        "than three it shows a tendency only.",
        "",
        "| change | most seeds | noise: validation | noise: test | weak: test "
        "| honest: validation | honest: test |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    verdicts: dict[str, list[str]] = {"pays": [], "costs": [], "within the spread": []}
    for row in [TUNED, *rows]:
        cells, seeds = [], 0
        for worth, split in SHOWN_GAINS:
            changed = runs.column("sentiment", worth, row, split)
            paper = runs.column("sentiment", worth, PAPER, split)
            values = gains(changed, paper, -1)
            seeds = max(seeds, len(values))
            cells.append(spread(values, signed=True))
            judged = pays(values)
            if split == "test" and judged:
                verdicts[judged].append(f"{row} ({worth})")
        lines.append(f"| {row} | {seeds} | {' | '.join(cells)} |")
    lines.append("")
    for judged, names in verdicts.items():
        lines.append(f"- {judged[0].upper()}{judged[1:]}: {'; '.join(names) or 'none'}.")
    return [*lines, ""]


def epochs(runs: Runs) -> list[str]:
    lines = [
        "## Noise between epochs",
        "",
        "Mean change of the validation MAE from one epoch to the next, from epoch 3 on, "
        "`sentiment`, *noise*.",
        "",
        "| row | change |",
        "| --- | --- |",
    ]
    rows = (PAPER, "average of the weights", "cosine schedule", "rate of the rest 1e-4", TUNED)
    for row in rows:
        jumps = runs.jumps("sentiment", "noise", row)
        if jumps:
            lines.append(f"| {row} | {spread(jumps)} |")
    return [*lines, ""]


def capacity(runs: Runs, parameters: Mapping[str, int]) -> list[str]:
    lines = [
        "## Capacity",
        "",
        "Trained weights beside the language model, and test MAE on `sentiment`.",
        "",
        "| row | weights | noise | honest |",
        "| --- | --- | --- | --- |",
    ]
    for row, count in parameters.items():
        columns = [runs.column("sentiment", worth, row) for worth in ("noise", "honest")]
        if not any(columns):
            continue
        cells = [spread(list(column.values())) for column in columns]
        lines.append(f"| {row} | {count:,} | {' | '.join(cells)} |")
    return [*lines, ""]
