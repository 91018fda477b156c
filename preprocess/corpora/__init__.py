"""Reads any corpus by its name. One module for each corpus knows the layout of its download."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, check_clips, is_there, leads_out
from semanticmac.preprocess.corpora.cards import CARDS, UNSEEN
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.corpora.options import OFFICIAL, Options, apply_options

__all__ = [
    "NAMES",
    "OFFICIAL",
    "READERS",
    "Options",
    "known_bad_note",
    "read_corpus",
    "read_lists",
    "require_name",
    "require_root",
]

# Corpus → module and function. A module is imported when its corpus is read, so that an error in
# one of them affects one corpus.
READERS: Mapping[str, tuple[str, str]] = {
    "cherma": ("cherma", "read"),
    "cremad": ("cremad", "read"),
    "demo": ("demo", "read"),
    "emotiontalk": ("emotiontalk", "read"),
    "folder": ("folder", "read"),
    "iemocap": ("iemocap", "read"),
    "iemocap-dimensions": ("iemocap", "read_dimensions"),
    "m3ed": ("m3ed", "read"),
    "meld": ("meld", "read"),
    "mer2023": ("mer2023", "read"),
    "mosei": ("mosei", "read"),
    "mosei-emotion": ("mosei", "read_emotion"),
    "mosi": ("mosi", "read"),
    "mustard": ("mustard", "read"),
    "ravdess": ("ravdess", "read"),
    "sims": ("sims", "read"),
    "simsv2": ("sims", "read_v2"),
    "urfunny": ("urfunny", "read"),
}
NAMES = tuple(READERS)


def read_corpus(name: str, root: Path, options: Options = OFFICIAL) -> Corpus:
    """The clips, labels and splits of the corpus `name` from its download in `root`.

    Nothing is decoded; notes name missing files. Raises CorpusError, with what was expected where,
    if the download cannot be read.
    """
    corpus = read_lists(name, root, options)
    notes = known_bad_note(corpus)
    exists: dict[Path, bool] = {}
    missing: list[str] = []
    for clip in corpus.clips:
        if clip.problem:
            continue  # The build reports it.
        if clip.video not in exists:
            exists[clip.video] = is_there(clip.video)
        if not exists[clip.video]:
            missing.append(clip.clip_id)
    if missing:
        count = len(exists) - sum(exists.values())
        notes.append(f"{count} of {len(exists)} video files are missing: {preview(missing)}")
    return replace(corpus, notes=(*notes, *corpus.notes))


def known_bad_note(corpus: Corpus) -> list[str]:
    """A note on the clips that are broken in every download; none if there are no such clips."""
    bad: list[str] = []
    for clip in corpus.clips:
        if reason := corpus.known_bad.get(clip.clip_id):
            bad.append(f"{clip.clip_id} ({reason})")
    return [f"known to be broken in the download: {', '.join(bad)}"] if bad else []


def require_name(name: str) -> None:
    """Raises CorpusError for the name of no corpus."""
    if name in READERS:
        return
    near = difflib.get_close_matches(name.lower(), NAMES, n=3, cutoff=0.5)
    hint = f"expected one of {', '.join(NAMES)}"
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    raise CorpusError(f"no corpus is called {name!r}; {hint}")


def read_lists(name: str, root: Path, options: Options) -> Corpus:
    """Like read_corpus, without the notes on files."""
    require_name(name)
    require_root(name, root)
    if options.fold is not None and name != "mustard":
        raise CorpusError(f"fold={options.fold} was given, but only mustard has folds, not {name}")

    module, function = READERS[name]
    read: Callable[[Path, Options], Corpus] = getattr(
        import_module(f"{__name__}.{module}"), function
    )
    corpus = apply_options(read(root, options), options)
    check_clips(corpus.clips, name)
    clips = [_with_link_problem(clip, root) for clip in corpus.clips]
    notes = corpus.notes
    if name in CARDS and CARDS[name].unseen:
        notes = (f"{name}: {UNSEEN}", *notes)
    return replace(corpus, clips=tuple(clips), notes=notes)


def _with_link_problem(clip: Clip, root: Path) -> Clip:
    """The clip, with a problem if its file is a link to a file outside root."""
    if clip.problem or not leads_out(root, clip.video):
        return clip
    problem = f"the file is a link that leads out of {root}; copy the file itself into the folder"
    return replace(clip, problem=problem)


def require_root(name: str, root: Path) -> None:
    """Raises CorpusError, with where to get the corpus, when `root` is not a folder."""
    if root.is_dir():
        return
    content = "its download" if name in CARDS else "its clips"
    hint = f"`semanticmac datasets show {name}` says where to get it"
    if name == "demo":
        hint = "`semanticmac demo` renders it"
    elif name == "folder":
        hint = "docs/datasets/folder.md says what may be in it"
    raise CorpusError(
        f"{root} is not a folder; --root DIR names the folder of {content}, and {hint}"
    )
