"""The README of services.generation tells every setting that the service adds, and its default."""

import re
from pathlib import Path

import pytest

from services.generation.settings import GenerationSettings
from services.rpc.settings import RpcSettings

PROJECT = Path(__file__).parents[3]
README = (PROJECT / "services" / "generation" / "README.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", README, flags=re.MULTILINE))
ADDED = {
    name: field.default
    for name, field in GenerationSettings.model_fields.items()
    if name not in RpcSettings.model_fields
}


def said(default: object) -> str:
    """Writes a default as the table does."""
    if default is None:
        return "none"
    if isinstance(default, Path):
        return str(default.relative_to(PROJECT))
    if isinstance(default, str):
        return default
    assert isinstance(default, int | float)
    mebibytes, rest = divmod(default, 2**20)
    return f"{mebibytes} MiB" if mebibytes and not rest else f"{default:.10g}"


@pytest.mark.parametrize("name", ADDED)
def test_every_setting_is_in_the_table_with_its_default(name: str) -> None:
    assert ROWS.get(name.upper()) == said(ADDED[name])


def test_the_table_has_no_setting_that_is_gone() -> None:
    assert ROWS.keys() == {name.upper() for name in ADDED}
