"""export: a trained model as a folder that can be given away: weights, settings, preprocessing, a card."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from semanticmac.cache.atomic_io import atomic_write, write_text
from semanticmac.eval.evaluate import encoder_notes
from semanticmac.eval.report.formatting import cell
from semanticmac.run.folder import RunError, RunInfo, check_files, require_weights

FILES = (
    "config.toml",
    "model.safetensors",
)  # besides run.json, which is written last: with it the folder is whole


def export_run(run: Path, folder: Path) -> list[Path]:
    """Leaves a folder that `load` and `predict --run` read.

    Raises RunError where the run has no weights, and where something stands in the folder already.
    """
    info = RunInfo.read(run)
    require_weights(run)
    check_files(run, info)
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty: export into a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        with atomic_write(folder / name) as aside:
            shutil.copyfile(run / name, aside)
    if (run / "language").is_dir():
        shutil.copytree(run / "language", folder / "language")
    made = info.fingerprint
    preprocessing = {
        "fingerprint": made.name,
        **asdict(made),
        "audio": "16 kHz mono; for each frame the 2 s window around its time, Kaldi mel spectrogram of 128 bins",
        "vision": "the picture at k/2 s, k = 0, 1, …, short side scaled, centre crop",
    }
    write_text(
        folder / "preprocessing.json",
        json.dumps(preprocessing, indent=1, ensure_ascii=False) + "\n",
    )
    write_text(folder / "README.md", card(run, info))
    info.write(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def card(run: Path, info: RunInfo) -> str:
    """What a stranger should know before using the model, in Markdown."""
    kind = {"regression": f"a score from {info.task.low:g} to {info.task.high:g}"}
    output = kind.get(info.task.kind, f"{info.task.kind}: {', '.join(info.task.classes)}")
    lines = [
        f"# SemanticMAC, {info.corpus}",
        "",
        f"Affect from human-spoken videos: {', '.join(info.model.modalities)} → {output}.",
        f"Trained on {info.corpus}, {info.model.setting} setting, seed {info.seed}; epoch {info.best_epoch} was the"
        " best on validation.",
        "",
        "## Use",
        "",
        "```python",
        "import semanticmac",
        "",
        'model = semanticmac.load("THIS/FOLDER")',
        'prediction = model.predict("clip.mp4", text="what is said")',
        "print(prediction.summary, prediction.outputs)",
        "```",
        "",
        'or `semanticmac predict clip.mp4 --run THIS/FOLDER --text "what is said"`.',
        "",
        "## Preprocessing",
        "",
        f"Frozen encoder {info.fingerprint.encoder}, fingerprint `{info.fingerprint.name}` (preprocessing.json).",
        "Another encoder, or other weights of it, is refused.",
        "",
        "## Scores",
        "",
        *scores_of(run),
        "",
        "## Limits",
        "",
        *(f"- {note}" for note in encoder_notes(info.fingerprint)),
        "- It was measured on clips like those it was trained on; with other people and languages it may fail.",
        "- What a person shows is not what a person feels: do not judge anybody by it.",
        "",
        "## Files",
        "",
        "`model.safetensors` weights · `run.json` model and task · `config.toml` training · `language/` tokenizer and",
        "configuration of the language model · `preprocessing.json` how a clip becomes embeddings",
        "",
    ]
    return "\n".join(lines)


def scores_of(run: Path) -> list[str]:
    """The test scores that lie in the run folder, as a Markdown table."""
    path = run / "eval-test.json"
    if not path.exists():
        return ["None: the run was exported before `semanticmac eval`."]
    [scores] = json.loads(path.read_text(encoding="utf-8"))["runs"]
    rows = [
        f"| {metric['name']} | {cell([metric['value']], metric['name'], 1)} |"
        for metric in scores["metrics"]
    ]
    return [
        f"On {scores['scored']} clips of test, one run:",
        "",
        "| metric | |",
        "| --- | ---: |",
        *rows,
    ]
