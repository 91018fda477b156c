"""Files of a leaderboard that were damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from semanticmac.train.config import ConfigError
from semanticmac.train.experiments.leaderboard.scored import FILE, ScoredSeed


@pytest.mark.parametrize("content", ["", '{"result": {', "not JSON"])
def test_a_damaged_seed_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match=r"scored.json is damaged .*: remove .*trained again"):
        ScoredSeed.read(tmp_path)
