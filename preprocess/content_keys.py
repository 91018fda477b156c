"""What the clips' files hold: each clip's content key, or why it has none."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.cache.failures import Failure
from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.keys import Sampling, content_key
from semanticmac.cache.layout import CacheLayout
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.pipeline import Keyed

NO_FILE = "no such file"


def content_keys(
    clips: Sequence[Clip], layout: CacheLayout, sampling: Sampling, progress: ProgressFn
) -> tuple[list[Keyed], set[str], list[Failure]]:
    """Every clip with its content key; the ids of clips whose files are gone; and those without a key as failures.

    Of a file that is gone the digest counts that it had when it was last read.
    """
    memo = FileHashes(layout.file_hashes)
    keyed: list[Keyed] = []
    gone: set[str] = set()
    failures: list[Failure] = []
    for done, clip in enumerate(clips, 1):
        reason, digest = NO_FILE, None
        try:
            digest = memo.digest(clip.video)
        except FileNotFoundError:
            digest = memo.remembered(clip.video)
            gone.add(clip.clip_id)
        except OSError as error:
            reason = f"the file cannot be read: {error.strerror}"
        if digest is None:
            failures.append(failure_of(clip, reason))
        else:
            keyed.append((clip, content_key(digest, clip.start_s, clip.end_s, sampling, clip.crop)))
        progress("reading files", done, len(clips), len(failures))
    memo.save()
    return keyed, gone, failures


def failure_of(clip: Clip, reason: str) -> Failure:
    """A clip that is not in the cache."""
    return Failure(clip.clip_id, str(clip.video), reason, cached=False)
