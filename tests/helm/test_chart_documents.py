"""The chart's schema and its table of values are what values.yaml makes of them."""

from pathlib import Path

import pytest
import yaml

from deploy.chart.commented_values import read_values
from deploy.chart.document import documents, readme_with_table, table_text
from deploy.chart.shapes import values_schema
from tests.helm.chart import CHART

VALUES = """\
# Not about a key.

# Name of it,
# in short.
name: ""

part:
  # How many.
  count: 2
  # Labels of the nodes.
  nodeSelector: {}
  inner:
    # Whether it is | is not.
    enabled: true
"""


def written(folder: Path, text: str = VALUES) -> Path:
    file = folder / "values.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_files_are_current() -> None:
    for file, text in documents().items():
        assert file.read_text(encoding="utf-8") == text, (
            f"{file.name} is not current: run python -m deploy.chart.document"
        )


def test_every_value_is_in_the_readme() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    for value in read_values(CHART / "values.yaml"):
        section = readme.partition(f"### {value.name}\n")[2] if value.keys else readme
        assert section, value.name
        below = {".".join(key.path[1:]) for key in value.keys if not key.keys}
        missing = {name for name in below if f"| `{name}` |" not in section.partition("\n### ")[0]}
        assert not missing


def test_the_comment_above_a_key_describes_it(tmp_path: Path) -> None:
    name, part = read_values(written(tmp_path))
    assert name.description == "Name of it, in short."
    assert (part.description, [key.name for key in part.keys]) == (
        "",
        ["part.count", "part.nodeSelector", "part.inner"],
    )
    assert [leaf.name for leaf in part.leaves()][-1] == "part.inner.enabled"
    assert part.keys[0].default == 2


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be a mapping"):
        read_values(written(tmp_path, "[1]"))


def test_the_table_names_values_below_their_section(tmp_path: Path) -> None:
    table = table_text(read_values(written(tmp_path)))
    assert '| `name` | `""` | Name of it, in short. |' in table
    assert "### part" in table
    assert "| `count` | `2` | How many. |" in table
    # A bar would begin another column.
    assert "| `inner.enabled` | `true` | Whether it is \\| is not. |" in table


def test_what_stands_around_the_table_stays(tmp_path: Path) -> None:
    values = read_values(written(tmp_path))
    begin, end = (
        "<!-- values: begin, written by deploy/chart/document.py -->",
        "<!-- values: end -->",
    )
    made = readme_with_table(f"before\n{begin}\nold\n{end}\nafter\n", values)
    assert made.startswith("before\n")
    assert made.endswith("after\n")
    assert "old" not in made
    with pytest.raises(ValueError, match="is missing"):
        readme_with_table("without marks", values)


def test_types_come_from_the_defaults_and_no_other_key_is_taken(tmp_path: Path) -> None:
    schema = values_schema(read_values(written(tmp_path)))
    assert schema["additionalProperties"] is False
    part = schema["properties"]["part"]  # type: ignore[index,call-overload]
    assert part["additionalProperties"] is False  # type: ignore[index,call-overload]
    count = part["properties"]["count"]  # type: ignore[index,call-overload]
    assert count == {"description": "How many.", "type": "integer", "minimum": 0}


def test_a_default_that_tells_no_type_is_refused(tmp_path: Path) -> None:
    values = read_values(written(tmp_path, yaml.safe_dump({"odd": []})))
    with pytest.raises(ValueError, match="odd: its default tells not what it may be"):
        values_schema(values)


def test_the_schema_holds_nothing_of_the_machine_that_wrote_it() -> None:
    text = (CHART / "values.schema.json").read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert "var/models" not in text.replace("by default var/models", "")
