"""Arrays that would take too much memory are refused by their headers."""

import zipfile

import numpy as np
import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.features import npz_sizes
from semanticmac.preprocess.features.npz_sizes import available_memory, require_sizes


def test_the_arrays_together_must_fit_into_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, audio=np.zeros(1000), vision=np.zeros(1000), other=np.zeros(1000))
    assert path.stat().st_size < 2000
    monkeypatch.setattr(npz_sizes, "available_memory", lambda: 16_000)
    require_sizes(path, ("audio", "vision"))
    with pytest.raises(CorpusError, match=r"need 24,000 bytes of memory, and 16,000 are available"):
        require_sizes(path)


def test_a_member_that_is_no_array_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vision", bytes(10_000))
    with pytest.raises(ValueError, match="magic string"):
        require_sizes(path, ("vision",))


def test_memory_is_that_of_the_machine_within_the_limit_of_a_container(tmp_path, monkeypatch):
    assert available_memory() > 1 << 20
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(npz_sizes, "_MEMORY_LIMIT", limit)
    limit.write_text("max\n")
    unlimited = available_memory()
    limit.write_text("4096\n")
    assert available_memory() == 4096 < unlimited
