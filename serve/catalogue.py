"""The models that a server offers, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from semanticmac.run.folder import RunError, RunInfo, runs
from semanticmac.run.notes import stream_notes
from semanticmac.serve.settings import ServeError, ServeSettings


@dataclass(frozen=True)
class Model:
    """One model of the chooser."""

    name: str
    dataset: str  # that it was trained on
    model: str  # name of the network
    task: str
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    streams: str  # the encoders that it reads
    valid_metric: str
    valid_score: float
    notes: tuple[str, ...]  # limits that a user must know


class Catalogue:
    """The runs that can predict a recording. Read anew each time: runs come and go."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings

    def folders(self) -> dict[str, Path]:
        """Name → folder: the runs that were named, then those below the folder, newest first."""
        folders = dict(self._settings.runs)
        root = self._settings.runs_dir
        if root is not None:
            for folder in runs(root):
                folders.setdefault(folder.relative_to(root).as_posix(), folder)
        return folders

    def models(self) -> list[Model]:
        """All models. A run that cannot predict a recording is left out."""
        models = []
        for name, folder in self.folders().items():
            try:
                models.append(_model(name, folder))
            except RunError:
                continue
        return models

    def find(self, name: str | None) -> Model | None:
        """The model of a name; without a name the first one."""
        for model in self.models():
            if name in (None, "", model.name):
                return model
        return None

    def require_any(self) -> list[Model]:
        """Raises ServeError where there is no model."""
        models = self.models()
        if models:
            return models
        for name, folder in self.folders().items():
            try:
                _model(name, folder)
            except RunError as error:
                raise ServeError(f"there is no model to serve: {error}") from None
        raise ServeError(
            f"{self._settings.runs_dir} holds no trained model: `semanticmac train` makes one, "
            "and `--run` names another"
        )


def _model(name: str, folder: Path) -> Model:
    """Raises RunError where the folder cannot predict a recording."""
    info = RunInfo.read(folder)
    if not (folder / "model.safetensors").exists():
        raise RunError(f"{folder} keeps no weights")
    if info.streams.imported:
        raise RunError(f"{folder} was trained on imported features and cannot predict recordings")
    return Model(
        name,
        info.dataset,
        info.model.name,
        info.task.kind,
        info.task.classes,
        info.model.modalities,
        info.streams.describe(),
        info.valid_metric,
        info.valid_score,
        tuple(stream_notes(info.streams)),
    )
