"""A small pool for the training of imagebind-tiny."""

from __future__ import annotations

import pytest

from semanticmac.preprocess.demo.training.pool import Pool, make_pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semanticmac.preprocess.demo.training.pool.CHUNK", 16)
        made = make_pool(folder, 3, 64, 16, 28, 1, lambda *_: None)
        contents = {file: file.read_bytes() for file in folder.iterdir()}
        min(contents).unlink()  # as a killed run leaves it
        make_pool(folder, 3, 64, 16, 28, 1, lambda *_: None)
    assert {file: file.read_bytes() for file in folder.iterdir()} == contents
    return made
