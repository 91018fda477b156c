"""Exported models on the model hub: load("user/repo") and `push-model`.

Only data is downloaded: weights as safetensors, settings as JSON and TOML. No file of a repository
is ever run, and every file must have the checksum that the export wrote.
"""

from __future__ import annotations

import re
from pathlib import Path

from semanticmac.hub import is_offline, offline_reason, open_hub, require_repository
from semanticmac.run.checksums import SUMS, check_checksums
from semanticmac.run.folder import RunError, RunInfo

# Everything that an exported model consists of; other files of a repository are not downloaded.
PATTERNS = [
    "README.md",
    SUMS,
    "config.toml",
    "language/*.json",
    "language/*.model",
    "language/*.txt",
    "model.safetensors",
    "preprocessing.json",
    "run.json",
    "trust.safetensors",
]
_REPOSITORY = re.compile(r"([\w-][\w.-]*/[\w-][\w.-]*)(?:@([\w./-]+))?", re.ASCII)


def find_model(name: str | Path) -> Path:
    """The folder of a run or exported model: a path, else `user/repo` or `user/repo@revision`.

    Raises RunError where the hub has no such model or cannot be asked.
    """
    path = Path(name)
    match = _REPOSITORY.fullmatch(str(name))
    if path.exists() or match is None:
        return path
    # "runs/mosi-001" looks like a repository too: a folder that exists beside it tells.
    if path.parent.is_dir():
        return path
    return download_model(match[1], match[2])


def download_model(repository: str, revision: str | None = None) -> Path:
    """Downloads an exported model, or finds it in the hub's own cache. Its files are checked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    offline = is_offline()
    try:
        folder = Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=PATTERNS,
                local_files_only=offline,
                library_name="semanticmac",
            )
        )
    except LocalEntryNotFoundError:
        reason = offline_reason() or "the hub does not answer"
        raise RunError(
            f"the model {repository!r} is not on this machine, and {reason}. Load it once with a "
            "network, or give the folder of a run or an exported model"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise RunError(
            f"the model {repository!r} cannot be downloaded: {_first_line(error)}"
        ) from None
    if not (folder / "run.json").exists():
        raise RunError(
            f"{repository} holds no model of this program: it has no run.json, as "
            "`semanticmac export` writes it"
        )
    check_checksums(folder)
    if any(stream.spec for stream in RunInfo.read(folder).streams.all):
        raise RunError(
            f"{repository} names folders of the machine where it was trained, so it was not made "
            "by `semanticmac export`: it is not loaded"
        )
    return folder


def push_model(folder: Path, repository: str, *, private: bool) -> str:
    """Uploads an exported model and returns its address.

    The repository is created if it does not exist. Raises RunError for a folder that is not as it
    was exported, and HubError where the hub refuses it.
    """
    require_repository(repository)
    check_checksums(folder)
    return open_hub().upload(folder, repository, "model", private)


def _first_line(error: BaseException) -> str:
    for line in str(error).splitlines():
        if line.strip():
            return line.strip()
    return type(error).__name__
