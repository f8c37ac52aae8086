"""Writes the chart's values.schema.json and the table of its README from its values.yaml.

Run as ``python -m deploy.chart.document``; ``--check`` only says whether they are current.
"""

import argparse
import json
import sys
from pathlib import Path

from deploy.chart.commented_values import Value, read_values
from deploy.chart.shapes import values_schema

CHART = Path(__file__).resolve().parents[2] / "helm" / "expart-serving"
_BEGIN = "<!-- values: begin, written by deploy/chart/document.py -->"
_END = "<!-- values: end -->"
# Longer ones are told by what they hold.
_MOST_SHOWN_CHARS = 60


def schema_text(values: tuple[Value, ...]) -> str:
    """Gives the JSON schema, by which Helm refuses wrong values."""
    return json.dumps(values_schema(values), indent=2, ensure_ascii=False) + "\n"


def table_text(values: tuple[Value, ...]) -> str:
    """Gives Markdown tables of all values: one for those of the top, one for each section."""
    plain = [value for value in values if not value.keys]
    parts = ["### General", "", *_table(plain, 0)]
    for value in values:
        if value.keys:
            parts += ["", f"### {value.name}", ""]
            if value.description:
                parts += [value.description, ""]
            parts += _table(_rows(value), 1)
    return "\n".join(parts) + "\n"


def readme_with_table(readme: str, values: tuple[Value, ...]) -> str:
    """Gives a README whose part between the two marks is the tables.

    Raises:
        ValueError: A mark is missing.
    """
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"README.md: {_BEGIN} or {_END} is missing")
    return f"{before}{_BEGIN}\n\n{table_text(values)}\n{_END}{after}"


def documents(chart: Path = CHART) -> dict[Path, str]:
    """Gives what the files should hold."""
    values = read_values(chart / "values.yaml")
    readme = chart / "README.md"
    return {
        chart / "values.schema.json": schema_text(values),
        readme: readme_with_table(readme.read_text(encoding="utf-8"), values),
    }


def _rows(section: Value) -> list[Value]:
    """What has a default of its own, and sections that say what they are for."""
    rows = []
    for key in section.keys:
        if key.keys and not _is_map(key):
            rows += [key, *_rows(key)] if key.description else _rows(key)
        else:
            rows.append(key)
    return rows


def _is_map(value: Value) -> bool:
    """Whether its keys are the user's: the file describes none of them."""
    return bool(value.keys) and not any(leaf.description for leaf in value.leaves())


def _table(rows: list[Value], left_out: int) -> list[str]:
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for row in rows:
        name = ".".join(row.path[left_out:])
        about = row.description.replace("|", "\\|")
        lines.append(f"| `{name}` | {_default(row)} | {about} |")
    return lines


def _default(value: Value) -> str:
    if value.keys and not _is_map(value):
        return ""
    text = json.dumps(value.default, ensure_ascii=False)
    return f"`{text}`" if len(text) <= _MOST_SHOWN_CHARS else "see values.yaml"


def main(arguments: list[str]) -> int:
    """Writes the files, or compares them; returns the process's exit code."""
    parser = argparse.ArgumentParser(description="Document the values of the chart.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args(arguments).check
    stale = 0
    for file, text in documents().items():
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        if check:
            stale += 1
            sys.stderr.write(f"{file.name} is not current: run python -m deploy.chart.document\n")
        else:
            file.write_text(text, encoding="utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
