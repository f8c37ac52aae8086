"""How the catalog, and what is to be said about it, look: for people and for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.model_question import Answer
from services.generation.catalog import Catalog, ModelSpec
from services.generation.catalog_check import EntryCheck, Verdict
from services.generation.installed_engines import InstalledEngines

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "bold red"}
_MILLION, _BILLION = 1e6, 1e9
_WIDE_COLUMNS = 120


def print_models(catalog: Catalog, console: Console) -> None:
    """Prints a table of the catalog, a row a model."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("model", "engine", "source"):
        table.add_column(heading, overflow="fold")
    for heading in ("GPUs", "GiB"):
        table.add_column(heading, justify="right")
    table.add_column("adapters", overflow="fold")
    for spec in catalog:
        memory = "-" if spec.memory_gib is None else f"{spec.memory_gib:g}"
        adapters = ", ".join(spec.adapters) or "-"
        # An endpoint's address is in its entry; here the line would not fit the terminal.
        source = _source(spec).partition(" at ")[0]
        row = (spec.name, spec.engine, source, f"{spec.num_gpus:g}", memory, adapters)
        table.add_row(*map(Text, row))
    # A file or a pipe has no width; a row stays on its line there.
    width = None if console.is_terminal else max(console.width, _WIDE_COLUMNS)
    console.print(table, width=width)


def print_check(entry: EntryCheck, console: Console) -> None:
    """Prints one line about an entry."""
    found = [finding.text for finding in entry.findings]
    if entry.verdict is Verdict.OK:
        found.insert(0, _place(entry))
    needs = [] if entry.spec is None else [f"needs {need}" for need in entry.spec.requires]
    line = Text.assemble(
        (f"{entry.verdict:<8}", _STYLES[entry.verdict]),
        f"{entry.name:<29} ",
        "; ".join((*found, *needs)),
    )
    console.print(line, soft_wrap=True)


def print_summary(
    checks: Sequence[EntryCheck], installed: InstalledEngines, console: Console
) -> None:
    """Prints how many entries stand how, and against what they were checked."""
    verdicts = [entry.verdict for entry in checks]
    counts = ", ".join(
        f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts
    )
    console.print(f"{counts}; checked against {_versions(installed)}", soft_wrap=True, markup=False)


def print_answer(name: str, answer: Answer, console: Console) -> None:
    """Prints what a model answered, how fast, and what it ran on."""
    if answer.failure:
        console.print(f"{name} did not answer: {answer.failure}", soft_wrap=True, markup=False)
        return
    console.print(
        f"{name} ({answer.engine}, {answer.revision[:19]}): loaded in {answer.load_s:.1f} s, "
        f"first token after {answer.first_token_s:.2f} s, {answer.generated_tokens} tokens in "
        f"{answer.total_s:.2f} s, of a prompt of {answer.prompt_tokens} with {answer.image_tokens} "
        "of the picture",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    console.print(answer.text, soft_wrap=True, markup=False, highlight=False, style="italic")


def list_as_json(catalog: Iterable[ModelSpec]) -> str:
    """Gives the catalog as a JSON list, an object a model."""
    return json.dumps(
        [
            {
                "name": spec.name,
                "description": spec.description,
                "engine": spec.engine,
                "source": _source(spec),
                "revision": spec.source.revision if spec.source.hub is not None else None,
                "num_gpus": spec.num_gpus,
                "memory_gib": spec.memory_gib,
                "max_model_len": spec.max_model_len,
                "adapters": sorted(spec.adapters),
                "requires": spec.requires,
            }
            for spec in catalog
        ],
        indent=2,
    )


def check_as_json(
    checks: Iterable[EntryCheck], installed: InstalledEngines, answers: Mapping[str, Answer]
) -> str:
    """Gives the outcome of a check as one JSON object."""
    return json.dumps(
        {
            "vllm": installed.vllm and installed.vllm.version,
            "transformers": installed.transformers and installed.transformers.version,
            "entries": [
                {
                    "file": str(entry.file),
                    "name": entry.name,
                    "verdict": entry.verdict,
                    "findings": [asdict(finding) for finding in entry.findings],
                    "requires": entry.spec.requires if entry.spec is not None else [],
                    "weights": str(entry.weights.folder) if entry.weights is not None else None,
                    "answer": asdict(answers[entry.name]) if entry.name in answers else None,
                }
                for entry in checks
            ],
        },
        indent=2,
    )


def _source(spec: ModelSpec) -> str:
    if spec.openai is not None:
        return f"{spec.openai.model} at {spec.openai.base_url}"
    return spec.source.hub or Path(spec.source.folder or "-").name


def _place(entry: EntryCheck) -> str:
    """Says in a few words where an entry's model is."""
    spec = entry.spec
    if spec is None:
        return ""
    if entry.weights is not None:
        return f"weights are here{_size(entry.weights.parameter_count)}"
    if spec.has_weights:
        return f"not downloaded{_size(spec.parameter_count)}"
    return f"at {spec.openai.base_url}" if spec.openai is not None else "needs no weights"


def _size(parameters: int | None) -> str:
    if parameters is None:
        return ""
    if parameters >= _BILLION:
        return f", {parameters / _BILLION:.1f} billion parameters"
    return f", {parameters / _MILLION:.0f} million parameters"


def _versions(installed: InstalledEngines) -> str:
    found = [
        f"{name} {package.version}"
        for name, package in (("vLLM", installed.vllm), ("transformers", installed.transformers))
        if package is not None
    ]
    return " and ".join(found) or "no engine, as none is installed"
