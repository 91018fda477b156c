"""Weight files and feature files damaged in every way: each is refused in words, or read.

    python -m benchmarks.fuzz_files [--count 600] [--seed 0]

A .pth of a small ImageBind, an .npz and pickles of features and of folds are cut, spliced and
changed by a seeded die, like the films of benchmarks/fuzz.py. A worker process with limited memory
and time reads each. Allowed are a refusal in the project's own words and a valid result. A result
can be another one than that of the whole file: neither a pickle nor a .pth has a checksum, so a
changed bit of a number is another number. The exit status is 1 for any other exception, for a
worker that dies, and for one that needs more than the limits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks import fuzz
from benchmarks.common import report
from semanticmac.preprocess.corpora.mosi import TASK
from semanticmac.preprocess.process_pool import Result, run_isolated

MEMORY_BYTES = 3 << 30  # torch alone needs about one
TIMEOUT_S = 60.0
REFUSALS = ("CorpusError", "CheckpointError")
CHANGES = (*fuzz.CHANGES, fuzz.head_edited)
CLIPS = 12


def read_file(path: Path) -> str:
    """What a worker runs: reads one file, and gives a digest of its content."""
    kind = path.name.split("-")[-1]
    if kind == "weights.pth":
        from semanticmac.preprocess.encoders.imagebind.checkpoint import read_checkpoint
        from semanticmac.preprocess.encoders.imagebind.encoder import weights_digest

        return weights_digest(read_checkpoint(path))
    if kind == "folds.pkl":
        from semanticmac.preprocess.corpora import pickles

        return _digest(pickles._read_plain((path, True)))
    if kind == "features.pkl":
        from semanticmac.preprocess.features import pickle_file

        return _digest(pickle_file._read((path, TASK, False)).clips)

    from semanticmac.preprocess.features.npz_file import read_feature_arrays

    return _digest(read_feature_arrays(path, TASK, False).clips)


def _digest(data: object) -> str:
    """Paths differ from file to file and do not count."""
    if isinstance(data, tuple):
        data = [(item.clip.clip_id, item.clip.labels, item.audio, item.vision) for item in data]
    return hashlib.sha256(pickle.dumps(data)).hexdigest()


def write_sources(folder: Path) -> list[Path]:
    """The whole files: weights.pth, folds.pkl, features.pkl and features.npz."""
    import torch

    from semanticmac.preprocess.encoders.imagebind import checkpoint, network

    tower = network.TowerConfig(16, 2, 2)
    model = network.ImageBind(network.ImageBindConfig(tower, tower, 8, 28))
    network.draw_weights(model, 0)
    checkpoint.write_checkpoint(model, folder / "w.safetensors")
    tensors, _ = checkpoint._read_safetensors(folder / "w.safetensors")
    torch.save(tensors, folder / "weights.pth")

    folds = [(np.arange(9), np.arange(9, 12)) for _ in range(5)]
    (folder / "folds.pkl").write_bytes(pickle.dumps(folds, protocol=2))
    dice = np.random.default_rng(0)
    audio = dice.normal(size=(CLIPS, 4, 6)).astype(np.float32)
    ids = [f"v$_${clip}" for clip in range(CLIPS)]
    split = {
        "id": ids,
        "raw_text": ids,
        "audio": audio,
        "vision": audio,
        "regression_labels": np.linspace(-3, 3, CLIPS),
    }
    (folder / "features.pkl").write_bytes(pickle.dumps({"train": split}, protocol=4))
    np.savez_compressed(folder / "features.npz", id=np.array(ids), audio=audio, vision=audio)
    return [folder / name for name in ("weights.pth", "folds.pkl", "features.pkl", "features.npz")]


def write_beside(path: Path) -> None:
    """The small files that a reader expects beside its file."""
    if path.suffix == ".pth":
        heads = {"vision_heads": 2, "audio_heads": 2}
        path.with_suffix(".json").write_text(json.dumps(heads))
    if path.suffix == ".npz":
        lines = [f"v$_${clip},train,text,{clip % 3}" for clip in range(CLIPS)]
        path.with_suffix(".csv").write_text("\n".join(["clip_id,split,text,label", *lines, ""]))


def write_mutants(root: Path, sources: list[Path], count: int, seed: int) -> list[Path]:
    dice = np.random.default_rng(seed)
    paths = []
    for number in range(count):
        source = sources[number % len(sources)]
        change = CHANGES[dice.integers(len(CHANGES))]
        path = root / f"{number:05d}-{change.__name__}-{source.name}"
        path.write_bytes(change(bytearray(source.read_bytes()), dice))
        write_beside(path)
        paths.append(path)
    return paths


def outcome(result: Result[Path, str], whole: dict[str, str]) -> str:
    """`refused`, `same`, `other`, or what must not happen."""
    if result.outcome == "done":
        return "same" if result.value == whole[result.job.name.split("-")[-1]] else "other"
    if result.outcome == "raised" and result.error_type in REFUSALS and result.reason.strip():
        return "refused"
    return f"{result.outcome} {result.error_type}: {result.reason} ({result.job.name})"


def read_all(paths: list[Path]) -> list[Result[Path, str]]:
    # Not this module as __main__: a worker imports the function by its name.
    from benchmarks.fuzz_files import read_file as function

    results = run_isolated(
        function, paths, workers=1, timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES
    )
    return list(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        sources = write_sources(root)
        for source in sources:
            write_beside(source)
        whole = {}
        for result in read_all(sources):
            assert result.value is not None, result.reason
            whole[result.job.name] = result.value
        results = read_all(write_mutants(root, sources, options.count, options.seed))
    outcomes = Counter(outcome(result, whole) for result in results)
    wrong = sorted(outcomes.keys() - {"refused", "same", "other"})
    report(
        "a damaged weight or feature file is refused in words, or read",
        "wrong empty",
        files=options.count,
        refused=outcomes["refused"],
        same=outcomes["same"],
        other=outcomes["other"],
        wrong=wrong,
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
