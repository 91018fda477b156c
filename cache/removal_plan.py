"""The plan of a removal: which rows, frames, faces and embeddings belong to a clip or a video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.keys import Sampling, content_key
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row, keys_of
from semanticmac.core import counted

CROPS = (None, "left", "right")


class RemovalError(Exception):
    """A clip or video that cannot be removed; the message says what was expected."""


@dataclass(frozen=True)
class Removal:
    """What is to be removed."""

    target: str  # as it was given
    keys: tuple[str, ...]  # content keys of the frames, faces and embeddings
    rows: Mapping[str, tuple[str, ...]]  # dataset → ids of its clips
    files: tuple[str, ...] = ()  # raw files whose remembered SHA-256 goes too
    remarks: tuple[str, ...] = ()

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """The ids of the clips in all datasets."""
        clip_ids: dict[str, None] = {}
        for names in self.rows.values():
            clip_ids.update(dict.fromkeys(names))
        return tuple(clip_ids)


def plan_removal(layout: CacheLayout, target: str, dataset: str | None = None) -> Removal:
    """Everything of a clip, by its id, or of a video, by its path.

    dataset: where to look for the target. Clips with the same content in other datasets are removed
    too, because they share frames and embeddings. Raises RemovalError for an unknown target, and
    for one that names different clips in several datasets.
    """
    manifests = _manifests(layout)
    if dataset is not None and dataset not in manifests:
        raise RemovalError(f"{layout.root} holds no dataset {dataset!r}: {_names(manifests)}")
    matches: dict[str, list[Row]] = {}
    for name, manifest in manifests.items():
        if dataset in (None, name):
            rows = [row for row in manifest.rows if _is_named(row, target)]
            if rows:
                matches[name] = rows
    if not matches:
        where = f"the dataset {dataset}" if dataset else str(layout.root)
        raise RemovalError(
            f"{where} holds no clip and no video {target!r}: give the clip_id or the path of the "
            f"video as in the corpus ({_names(manifests)})"
        )
    _refuse_ambiguity(target, matches)

    hashes = FileHashes(layout.file_hashes).all()
    samplings = {manifest.sampling for manifest in manifests.values() if manifest.sampling}
    named: list[Row] = []
    for rows in matches.values():
        named += rows
    by_video = any(row.clip_id != target for row in named)
    keys = keys_of(named)
    digests = _digests_of(named, hashes, samplings)
    to_remove: dict[str, tuple[str, ...]] = {}
    left: list[Row] = []
    for name, manifest in manifests.items():
        removed = []
        for row in manifest.rows:
            same_file = bool(_row_keys(row, digests, samplings) & {row.key})
            if row.key in keys or (by_video and same_file):
                removed.append(row)
            elif same_file:
                left.append(row)
        if removed:
            to_remove[name] = tuple(row.clip_id for row in removed)
            named += removed
    for row in named:
        keys.add(row.key)
        keys.update(_row_keys(row, digests, samplings))
    files = []
    if not left:
        files = [path for path, digest in hashes.items() if digest in digests]
    return Removal(
        target,
        tuple(sorted(keys)),
        to_remove,
        tuple(files),
        tuple(_remarks(matches, to_remove, left)),
    )


def _manifests(layout: CacheLayout) -> dict[str, Manifest]:
    return {name: Manifest.read(layout.manifest(name)) for name in layout.datasets()}


def _names(manifests: Mapping[str, Manifest]) -> str:
    return f"cached there: {', '.join(manifests) or 'nothing'}"


def _is_named(row: Row, target: str) -> bool:
    """Whether the target is the clip's id, its video, or a path that ends with its video."""
    if target in (row.clip_id, row.video):
        return True
    path, video = Path(target).parts, Path(row.video).parts
    return bool(video) and len(path) > len(video) and path[-len(video) :] == video


def _refuse_ambiguity(target: str, matches: Mapping[str, Sequence[Row]]) -> None:
    """The same name in two datasets must be the same content."""
    first, *others = matches.values()
    for rows in others:
        if keys_of(rows).isdisjoint(keys_of(first)):
            raise RemovalError(
                f"{target!r} is another clip in each of {', '.join(matches)}: give --dataset"
            )


def _row_keys(row: Row, digests: Iterable[str], samplings: Iterable[Sampling]) -> set[str]:
    """The keys under which this segment of the files may lie, also from older builds."""
    keys = set()
    for digest in digests:
        for sampling in samplings:
            for crop in CROPS:
                keys.add(content_key(digest, row.start_s, row.end_s, sampling, crop))
    return keys


def _digests_of(
    rows: Sequence[Row], hashes: Mapping[str, str], samplings: set[Sampling]
) -> set[str]:
    """SHA-256 of the raw files of these clips, as far as the cache remembers them."""
    digests = set()
    for digest in set(hashes.values()):
        if any(row.key in _row_keys(row, [digest], samplings) for row in rows):
            digests.add(digest)
    return digests


def _remarks(
    matches: Mapping[str, Sequence[Row]], rows: Mapping[str, Sequence[str]], left: Sequence[Row]
) -> list[str]:
    remarks = []
    for dataset, clip_ids in rows.items():
        if dataset not in matches:
            remarks.append(
                f"{dataset} holds the same recording: its {counted(len(clip_ids), 'clip')} "
                f"({', '.join(clip_ids[:3])}) go too, because frames and embeddings are shared"
            )
    if left:
        remarks.append(
            f"{counted(len(left), 'other clip', 'are')} cut from the same video and stay: "
            f"give the video {left[0].video} to remove all of them"
        )
    return remarks
