"""The corpora by name.

Each has one file here that knows its layout; nothing else in the project does.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from semanticmac.preprocess.clip import Corpus, CorpusError, check_clips, is_there
from semanticmac.preprocess.corpora.cards import CARDS
from semanticmac.preprocess.corpora.options import Options, apply_options, some

__all__ = ["NAMES", "READERS", "Options", "read_corpus", "read_lists", "require_root"]

# name → (module, function). A module is imported when its corpus is read, so that one broken
# adapter breaks one corpus.
READERS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "read"),
    "folder": ("folder", "read"),
    "iemocap": ("iemocap", "read"),
    "meld": ("meld", "read"),
    "mosei": ("mosei", "read"),
    "mosei-emotion": ("mosei", "read_emotion"),
    "mosi": ("mosi", "read"),
    "mustard": ("mustard", "read"),
    "sims": ("sims", "read"),
    "simsv2": ("sims", "read_v2"),
    "urfunny": ("urfunny", "read"),
}
NAMES = tuple(READERS)


def read_corpus(name: str, root: Path, options: Options = Options()) -> Corpus:  # noqa: B008  (frozen, so shared safely)
    """The clips, labels and split of the corpus `name`, whose download lies in `root`. Nothing is decoded.

    Raises CorpusError where the download is not what it should be; the message says what was
    expected where.
    """
    corpus = read_lists(name, root, options)
    known = [clip.clip_id for clip in corpus.clips if clip.clip_id in corpus.known_bad]
    bad = [f"{clip_id} ({corpus.known_bad[clip_id]})" for clip_id in known]
    notes = [f"known to be broken in the download: {', '.join(bad)}"] if bad else []
    files = list(dict.fromkeys(clip.video for clip in corpus.clips))
    missing = {file for file in files if not is_there(file)}
    if missing:
        clips = some(clip.clip_id for clip in corpus.clips if clip.video in missing)
        notes.append(f"{len(missing)} of {len(files)} video files are not there: {clips}")
    return replace(corpus, notes=(*notes, *corpus.notes))


def read_lists(name: str, root: Path, options: Options) -> Corpus:
    """The same without a word on the files, of which a check has more to say."""
    if name not in READERS:
        near = difflib.get_close_matches(name.lower(), NAMES, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(NAMES)}"
        )
        raise CorpusError(f"no corpus is called {name!r}; {hint}")
    require_root(name, root)
    if options.fold is not None and name != "mustard":
        raise CorpusError(
            f"fold={options.fold} was asked for, but only mustard has folds, not {name}"
        )
    module, function = READERS[name]
    reader = getattr(import_module(f"{__name__}.{module}"), function)
    if name == "demo":
        corpus = cast(Callable[[Path], Corpus], reader)(root)
    else:
        corpus = cast(Callable[[Path, Options], Corpus], reader)(root, options)
    corpus = apply_options(corpus, options)
    check_clips(corpus.clips, name)
    return corpus


def require_root(name: str, root: Path) -> None:
    """Raises CorpusError where `root` is no folder; the message says what to give in its place."""
    if root.is_dir():
        return
    holds = "its download" if name in CARDS else "its clips"
    more = {
        "demo": "`semanticmac demo` renders it",
        "folder": "docs/datasets/folder.md says what may be in it",
    }
    hint = more.get(name, f"`semanticmac datasets show {name}` says where to get it")
    raise CorpusError(f"{root} is not a folder; --root DIR names the folder of {holds}, and {hint}")
