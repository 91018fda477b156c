"""The corpora by name. Each has one file here that knows its layout; nothing else in the project does."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from semanticmac.preprocess.clip import Corpus, CorpusError, check_clips
from semanticmac.preprocess.corpora.options import Options, apply_options

__all__ = ["NAMES", "READERS", "Options", "read_corpus"]

# name → (module, function). A module is imported when its corpus is read, so that one broken adapter breaks one corpus.
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

    Raises CorpusError where the download is not what it should be; the message says what was expected where.
    """
    if name not in READERS:
        near = difflib.get_close_matches(name.lower(), NAMES, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(NAMES)}"
        raise CorpusError(f"no corpus is called {name!r}; {hint}")
    if not root.is_dir():
        raise CorpusError(f"{root} is not a folder; {name} is read from the folder of its download")
    if options.fold is not None and name != "mustard":
        raise CorpusError(f"fold={options.fold} was asked for, but only mustard has folds, not {name}")
    module, function = READERS[name]
    reader = getattr(import_module(f"{__name__}.{module}"), function)
    if name == "demo":
        corpus = cast(Callable[[Path], Corpus], reader)(root)
    else:
        corpus = cast(Callable[[Path, Options], Corpus], reader)(root, options)
    corpus = apply_options(corpus, options)
    check_clips(corpus.clips, name)
    return corpus
