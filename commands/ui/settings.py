"""The table of all settings, for `train --settings`."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from semanticmac.train.config import ConfigError, setting_rows


def settings_table(word: str) -> Table:
    """The settings whose key or description has the word; an empty word shows all of them.

    Raises ConfigError if there is none.
    """
    rows = setting_rows(word)
    if not rows:
        raise ConfigError(f"no setting has {word!r} in its key or meaning: --settings lists all")
    table = Table(box=SIMPLE_HEAD, title="settings: --set KEY=VALUE", title_justify="left")
    table.add_column("key", no_wrap=True)
    table.add_column("default", no_wrap=True)
    table.add_column("accepts")
    table.add_column("meaning")
    for row in rows:
        table.add_row(row.key, row.default, row.accepts.replace("`", ""), row.description)
    return table
