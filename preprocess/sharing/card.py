"""The dataset card of an export: README.md with the fields that the hub reads."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.manifest import Manifest
from semanticmac.core import SPLITS
from semanticmac.preprocess.sharing.header import Header
from semanticmac.preprocess.sharing.licences import binding_licence, licence_of

NO_SPLIT = "nosplit"  # the hub's name for clips without a split

_TEXT = """# Features of {dataset}

Embeddings of the clips of {dataset} by frozen encoders, made with
[SemanticMAC](https://arxiv.org/abs/2408.07694), two rows a second: row k belongs to the time k/2 s.
There are no videos, no frames and no audio in this repository. Transcripts and labels are those of
the corpus, whose licence binds them.

{splits}

## Columns

`clip_id`, `key` (hash of file, segment and sampling), `row` (position in the dataset), `split`,
`text`, `label` and the labels of single modalities, `speaker`, `dialogue`, `position`, `frames`,
`duration_s`, and one column for each encoder. An embedding is null where the clip lacks the
modality or the encoder refused it.

| column | encoder | numbers in a row | weights (SHA-256) | licence of the encoder |
| --- | --- | --- | --- | --- |
{streams}

**Licence of the features: {licence}.** Of several encoders the strictest licence counts.

## Use

```python
from datasets import load_dataset
clips = load_dataset("{repository}")["train"].with_format("numpy")
clips[0]["{column}"]  # (rows, numbers)
```

```
semanticmac pull-features {repository}               # into a feature cache, to train and evaluate
semanticmac import-features FOLDER               # the same from a folder on disk
```
"""


def card(manifest: Manifest, header: Header, repository: str) -> str:
    """The text of README.md. repository: USER/NAME, or a folder's name for an export on disk."""
    licence = binding_licence(header.fingerprints)
    lines = ["---", f"license: {licence.tag}"]
    if licence.tag == "other":
        lines.append("license_name: see-the-text-below")
    lines += [f"pretty_name: Features of {manifest.dataset}", "configs:", "- config_name: default"]
    lines.append("  data_files:")
    for split in splits_of(manifest):
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += ["tags:", "- semanticmac", "- multimodal", "- features", "---", ""]
    text = _TEXT.format(
        dataset=manifest.dataset,
        splits=_split_table(manifest),
        streams="\n".join(_stream_lines(header)),
        licence=licence.text,
        repository=repository,
        column=header.streams[0].column,
    )
    return "\n".join(lines) + text


def splits_of(manifest: Manifest) -> Sequence[str]:
    """The splits that hold clips, as the files are named."""
    names = []
    for split in (*SPLITS, None):
        if any(row.split == split for row in manifest.rows):
            names.append(split or NO_SPLIT)
    return names


def _split_table(manifest: Manifest) -> str:
    lines = ["| split | clips |", "| --- | --- |"]
    for split in splits_of(manifest):
        wanted = None if split == NO_SPLIT else split
        lines.append(f"| {split} | {sum(row.split == wanted for row in manifest.rows)} |")
    return "\n".join(lines)


def _stream_lines(header: Header) -> list[str]:
    lines = []
    for stream in header.streams:
        fingerprint = stream.fingerprint
        cells = (
            f"`{stream.column}`",
            f"`{fingerprint.encoder}`{_opened(fingerprint)}",
            str(fingerprint.width),
            f"`{fingerprint.weights[:16]}…`",
            licence_of(fingerprint).text,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _opened(stream: Fingerprint) -> str:
    """How the encoder was opened, and a warning where its weights are random."""
    notes = []
    if stream.spec and stream.spec != stream.encoder:
        notes.append(f"`{stream.spec}`")
    if not stream.trained:
        notes.append("random weights")
    return f" ({', '.join(notes)})" if notes else ""
