"""The table of all settings, for `train --settings`."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from semanticmac.model.registry import SEMANTICMAC
from semanticmac.train.config import ConfigError
from semanticmac.train.overrides import setting_rows


def settings_table(word: str, model: str = SEMANTICMAC) -> Table:
    """The settings of a model whose key or description has the word; an empty word shows all.

    Raises ConfigError if there is none.
    """
    rows = setting_rows(word, model)
    if not rows:
        raise ConfigError(f"no setting has {word!r} in its key or meaning: --settings lists all")
    title = "settings: --set KEY=VALUE"
    if model != SEMANTICMAC:
        title = f"settings of --model {model}: --set KEY=VALUE"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("key", no_wrap=True)
    table.add_column("default", no_wrap=True)
    table.add_column("accepts")
    table.add_column("meaning")
    for row in rows:
        table.add_row(row.key, row.default, row.accepts.replace("`", ""), row.description)
    return table
