"""Every exception of the package, importable without loading a library: `errors.RunError`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semanticmac.cache.atomic_io import ChecksumMismatch
    from semanticmac.cache.folds import FoldError
    from semanticmac.cache.frame_codec import RecordError
    from semanticmac.cache.frame_store import StoreDamaged, StoreUnavailable
    from semanticmac.cache.layout import CacheBusy, CacheIncomplete, CacheNotWritable
    from semanticmac.cache.removal_plan import RemovalError
    from semanticmac.cache.shard_format import ShardError
    from semanticmac.eval.analysis.catalogue import AnalysisError
    from semanticmac.eval.leaderboard.result import ResultError
    from semanticmac.eval.report.results_file import ResultsFileError
    from semanticmac.eval.report.score_tables import ReportError
    from semanticmac.eval.stream_features import ProbeError
    from semanticmac.eval.timeline import TimelineError
    from semanticmac.hub import HubError
    from semanticmac.inference import PredictError
    from semanticmac.model.config import SettingsConflict
    from semanticmac.model.language.source import LanguageModelError
    from semanticmac.model.registry import UnknownModel
    from semanticmac.preprocess.clip import CorpusError, DecodeError
    from semanticmac.preprocess.cluster.placement import ClusterError
    from semanticmac.preprocess.decoding.ffmpeg_program import ProgramError
    from semanticmac.preprocess.embed import EncoderMismatch
    from semanticmac.preprocess.encoders.imagebind.download import DownloadError
    from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
    from semanticmac.preprocess.encoders.protocol import EncodeError
    from semanticmac.preprocess.encoders.spec import EncoderNotFound
    from semanticmac.preprocess.faces.detector import DetectorError
    from semanticmac.preprocess.process_pool import WorkerError
    from semanticmac.preprocess.speech.activity import ActivityError
    from semanticmac.preprocess.speech.recognition import RecognitionError
    from semanticmac.run.folder import RunError
    from semanticmac.serve.settings import ServeError
    from semanticmac.train.config import ConfigError, ConflictError
    from semanticmac.train.curves import CurvesError
    from semanticmac.train.data import TrainError

__all__ = [
    "ActivityError",
    "AnalysisError",
    "CacheBusy",
    "CacheIncomplete",
    "CacheNotWritable",
    "CheckpointError",
    "ChecksumMismatch",
    "ClusterError",
    "ConfigError",
    "ConflictError",
    "CorpusError",
    "CurvesError",
    "DecodeError",
    "DetectorError",
    "DownloadError",
    "EncodeError",
    "EncoderMismatch",
    "EncoderNotFound",
    "FoldError",
    "HubError",
    "LanguageModelError",
    "PredictError",
    "ProbeError",
    "ProgramError",
    "RecognitionError",
    "RecordError",
    "RemovalError",
    "ReportError",
    "ResultError",
    "ResultsFileError",
    "RunError",
    "ServeError",
    "SettingsConflict",
    "ShardError",
    "StoreDamaged",
    "StoreUnavailable",
    "TimelineError",
    "TrainError",
    "UnknownModel",
    "WorkerError",
]

_MODULES = {
    "ActivityError": "preprocess.speech.activity",
    "AnalysisError": "eval.analysis.catalogue",
    "CacheBusy": "cache.layout",
    "CacheIncomplete": "cache.layout",
    "CacheNotWritable": "cache.layout",
    "CheckpointError": "preprocess.encoders.imagebind.names",
    "ChecksumMismatch": "cache.atomic_io",
    "ClusterError": "preprocess.cluster.placement",
    "ConfigError": "train.config",
    "ConflictError": "train.config",
    "CorpusError": "preprocess.clip",
    "CurvesError": "train.curves",
    "DecodeError": "preprocess.clip",
    "DetectorError": "preprocess.faces.detector",
    "DownloadError": "preprocess.encoders.imagebind.download",
    "EncodeError": "preprocess.encoders.protocol",
    "EncoderMismatch": "preprocess.embed",
    "HubError": "hub",
    "EncoderNotFound": "preprocess.encoders.spec",
    "FoldError": "cache.folds",
    "LanguageModelError": "model.language.source",
    "PredictError": "inference",
    "ProbeError": "eval.stream_features",
    "ProgramError": "preprocess.decoding.ffmpeg_program",
    "RecognitionError": "preprocess.speech.recognition",
    "RecordError": "cache.frame_codec",
    "RemovalError": "cache.removal_plan",
    "ReportError": "eval.report.score_tables",
    "ResultsFileError": "eval.report.results_file",
    "ResultError": "eval.leaderboard.result",
    "RunError": "run.folder",
    "ServeError": "serve.settings",
    "SettingsConflict": "model.config",
    "ShardError": "cache.shard_format",
    "StoreDamaged": "cache.frame_store",
    "StoreUnavailable": "cache.frame_store",
    "TimelineError": "eval.timeline",
    "TrainError": "train.data",
    "UnknownModel": "model.registry",
    "WorkerError": "preprocess.process_pool",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'semanticmac.errors' has no attribute {name!r}")
    return getattr(import_module(f"semanticmac.{_MODULES[name]}"), name)
