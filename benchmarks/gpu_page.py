"""The table of benchmarks/gpu.py, and docs/gpu.md."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

TITLES = {
    "checks": "Checks",
    "encoder": "Encoder",
    "step": "Training step",
    "neighbours": "Neighbours of the pseudo labels",
    "llm": "Step of a large language model",
    "ablation": "An epoch of an ablation",
}
NOT_MEASURED = (
    "Not measured yet: no GPU was at hand. `make gpu` writes this page on a machine with one."
)


def value_text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def card_text(machine: dict[str, Any]) -> str:
    if machine["device"] == "cpu":
        return f"CPU with {machine['cores']} cores, torch {machine['torch']}"
    return (
        f"{machine['device']} ({machine['memory_gib']} GiB), torch {machine['torch']}, "
        f"CUDA {machine['cuda']}, transformers {machine['transformers']}, "
        f"{machine['cores']} CPU cores"
    )


def table(conditions: dict[str, Any], results: dict[str, Any]) -> str:
    """All figures for a terminal."""
    lines = [card_text(conditions["machine"])]
    if conditions["tiny"]:
        lines.append("Small shapes: these figures only show that the script runs.")
    for name, result in results.items():
        reason = f" ({result['reason']})" if result["reason"] else ""
        lines.append(f"\n{TITLES[name]}: {result['status']}{reason}")
        for figure in result["figures"]:
            text = f"  {figure['name']:<44} {value_text(figure['value']):>10} {figure['unit']}"
            if figure["goal"]:
                text += f"  (goal {figure['goal']})"
            if figure["note"]:
                text += f"  {figure['note']}"
            lines.append(text)
    return "\n".join(lines)


def page(conditions: dict[str, Any] | None, results: dict[str, Any]) -> str:
    """docs/gpu.md; conditions: None if nothing was measured."""
    from benchmarks.gpu_checks import CHECKS

    lines = ["# On a GPU", "", "<!-- Written by benchmarks/gpu.py. -->", ""]
    if conditions is None:
        lines += [NOT_MEASURED, ""]
    else:
        lines += [f"Measured on: {card_text(conditions['machine'])}.", ""]
        if conditions["tiny"]:
            lines += ["Small shapes: these figures only show that the script runs.", ""]
    lines += [
        "```",
        "make gpu                                        # at most 8 minutes; goes on where it was",
        "python benchmarks/gpu.py --only encoder,step    # needs torch, transformers and numpy",
        "python benchmarks/gpu.py --device cpu --tiny    # tries the script without a GPU",
        "```",
        "",
    ]
    for name, title in TITLES.items():
        if name == "checks":
            continue
        lines += [f"## {title}", ""]
        lines += figure_lines(results.get(name))
    lines += checks_lines(CHECKS, results.get("checks"))
    lines += [
        "## What is not promised",
        "",
        "Equal trainings with equal bytes are promised on a CPU, where tests prove them. On a GPU",
        "torch is asked for kernels that add in a fixed order. The checks above show whether two",
        "trainings, and a training that was resumed, have the same bytes on a card.",
        "",
    ]
    return "\n".join(lines)


def figure_lines(result: dict[str, Any] | None) -> list[str]:
    if result is None:
        return ["Not measured yet.", ""]
    lines = []
    if result["status"] != "done":
        lines += [f"{result['status'].capitalize()}: {result['reason']}", ""]
    if result["figures"]:
        lines += ["| figure | value | goal | |", "| --- | --- | --- | --- |"]
    for figure in result["figures"]:
        value = f"{value_text(figure['value'])} {figure['unit']}".strip()
        lines.append(f"| {figure['name']} | {value} | {figure['goal']} | {figure['note']} |")
    return [*lines, ""]


def checks_lines(checks: Any, result: dict[str, Any] | None) -> list[str]:
    outcomes = {}
    for figure in result["figures"] if result else ():
        outcomes[figure["name"]] = f"{value_text(figure['value'])} {figure['note']}".strip()
    lines = [
        "## Checks",
        "",
        "`python -m pytest -m gpu` runs them as tests; without a GPU they are skipped.",
        "",
        "| check | what it shows | result |",
        "| --- | --- | --- |",
    ]
    for check in checks:
        outcome = outcomes.get(check.name, "not measured yet")
        lines.append(f"| `{check.name}` | {check.shows} | {outcome} |")
    return [*lines, ""]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes the page before anything is measured.")
    parser.add_argument("path", type=Path)
    parser.parse_args().path.write_text(page(None, {}), encoding="utf-8")
