"""export: a trained model as a folder to give away, with a model card."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from semanticmac.cache.atomic_io import atomic_write, write_text
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.streams import Streams
from semanticmac.core import SCORE, Dimension, counted
from semanticmac.run.card_head import card_head
from semanticmac.run.checksums import write_checksums
from semanticmac.run.folder import RunError, RunInfo, check_files, require_weights
from semanticmac.run.metric import Metric, digits_of, format_number
from semanticmac.run.notes import stream_notes
from semanticmac.run.scores import read_scores

_MARKDOWN = str.maketrans(
    {
        **{character: f"\\{character}" for character in "\\`*_[]|~$#!"},
        "<": "&lt;",
        ">": "&gt;",
        "&": "&amp;",
    }
)

COPIED = ("config.toml", "model.safetensors")


def export_run(run: Path, folder: Path, licence: str | None = None) -> list[Path]:
    """Writes a folder for `load`, `predict --run` and `push-model`; returns its files.

    licence: its short name for the model hub, such as "mit". SHA256SUMS is written last: a folder
    with it is complete. Raises RunError where the run has no weights, and where `folder` is not
    empty.
    """
    info = RunInfo.read(run)
    require_weights(run)
    check_files(run, info)
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty: export into a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        with atomic_write(folder / name) as temporary:
            shutil.copyfile(run / name, temporary)
    if (run / "language").is_dir():
        shutil.copytree(run / "language", folder / "language")
    if (run / "trust.safetensors").exists():
        shutil.copyfile(run / "trust.safetensors", folder / "trust.safetensors")
    write_text(folder / "preprocessing.json", preprocessing_json(info.streams))
    write_text(folder / "README.md", card(run, info, licence))
    replace(info, streams=without_specs(info.streams)).write(folder)
    write_checksums(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def without_specs(streams: Streams) -> Streams:
    """The same streams without the folders of this machine."""
    return Streams.group(replace(stream, spec="") for stream in streams.all)


def preprocessing_json(streams: Streams) -> str:
    """How a clip becomes embeddings: the fields of each stream, and the sampling in words."""
    about = {
        "streams": [{"fingerprint": stream.name, **stream.to_dict()} for stream in streams.all],
        "audio": "16 kHz mono; for each frame the 2 s window around its time",
        "vision": "the picture at k/2 s, k = 0, 1, …, short side scaled, centre crop",
    }
    return json.dumps(about, indent=1, ensure_ascii=False) + "\n"


def card(run: Path, info: RunInfo, licence: str | None = None) -> str:
    """The model card in Markdown: a head for the hub, use, preprocessing, scores and limits."""
    corpus = markdown_text(info.corpus)
    output = f"{info.task.kind}: {markdown_text(', '.join(info.task.classes))}"
    if info.task.kind == "regression":
        output = ", ".join(_score_line(dimension) for dimension in info.task.dimensions)
    lines = [
        *card_head(info, read_scores(run, "test"), licence),
        f"# SemanticMAC, {corpus}",
        "",
        f"Affect from human-spoken videos: {', '.join(info.model.modalities)} → {output}.",
        f"Trained on {corpus}, {info.model.setting} setting, seed {info.seed}; "
        f"epoch {info.best_epoch} was the best on validation.",
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
        *(_stream_line(stream) for stream in info.streams.all),
        "",
        "Another encoder, or other weights of it, is refused (preprocessing.json).",
        "",
        "## Scores",
        "",
        *score_lines(run),
        "",
        "## Limits",
        "",
        *(f"- {markdown_text(note)}" for note in stream_notes(info.streams)),
        "- It was measured on clips like those it was trained on; with other people and languages "
        "it may fail.",
        "- What a person shows is not what a person feels: do not judge anybody by it.",
        "",
        "## Files",
        "",
        "`model.safetensors` weights · `run.json` model and task · `config.toml` training · "
        "`language/` tokenizer and",
        "configuration of the language model · `preprocessing.json` how a clip becomes embeddings",
        "· `SHA256SUMS` checksums of all files",
        "",
    ]
    return "\n".join(lines)


def _score_line(dimension: Dimension) -> str:
    name = "a score" if dimension.name == SCORE else markdown_text(dimension.name)
    return f"{name} from {dimension.low:g} to {dimension.high:g}"


def _stream_line(stream: Fingerprint) -> str:
    encoder = markdown_text(stream.encoder)
    return (
        f"- {stream.modality}: frozen encoder {encoder}, {stream.width} numbers, "
        f"fingerprint `{stream.name}`"
    )


def score_lines(run: Path) -> list[str]:
    """The stored test scores of the run as a Markdown table."""
    scores = read_scores(run, "test")
    if scores is None:
        return ["None: the run was exported before `semanticmac eval`."]
    lines = [
        f"On {counted(scores.clips, 'clip')} of test, one run:",
        "",
        "| metric | |",
        "| --- | ---: |",
    ]
    for metric in scores.metrics:
        lines.append(f"| {markdown_text(metric.name)} | {_value(metric)} |")
    return lines


def markdown_text(name: str) -> str:
    """A name from a file as Markdown that shows it as it is, on one line and without HTML."""
    text = " ".join(name.split()).translate(_MARKDOWN)
    return text.replace("://", "\\://")  # no link to an address


def _value(metric: Metric) -> str:
    if metric.value is None:
        return "undefined"
    return format_number(metric.value, metric.unit, digits_of(metric.unit))
