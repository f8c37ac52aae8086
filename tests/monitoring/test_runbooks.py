"""Every alert has a page, and what the pages say to run exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import yaml

from deploy.monitoring.write import DASHBOARDS
from expart.generation.v1 import generation_service_pb2
from expart.scoring.v1 import scoring_service_pb2
from services.cli.app import make_app
from services.core.errors import ErrorReason
from tests.monitoring.asked import Asked, runbook_queries
from tests.monitoring.programs import CHART, RUNBOOKS
from tests.monitoring.test_alert_rules import ALERTS
from tests.monitoring.test_declared_series import faults

PAGES = sorted(RUNBOOKS.glob("Expart*.md"))
RUNBOOK_QUERIES = [*runbook_queries()]
HEADINGS = ["What it means", "What users notice", "How to see it", "What to do"]
_METHODS = {
    f"{service.full_name}/{method.name}"
    for file in (generation_service_pb2.DESCRIPTOR, scoring_service_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
} | {"grpc.health.v1.Health/Check"}
_KUBECTL = {"get", "describe", "logs", "delete", "rollout"}
_HELM = {"history", "rollback", "upgrade"}


def commands() -> Iterator[list[str]]:
    for page in PAGES:
        for block in re.findall(
            r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        ):
            for line in block.splitlines():
                for part in re.split(r" \| ", line):
                    yield shlex.split(part.replace("</dev/null", ""))


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {page.stem for page in PAGES} == {alert.name for alert in ALERTS}
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(\w+)\]\(\1\.md\)", index, re.MULTILINE)) == {
        one.stem for one in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_answers_the_four_questions(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    first_look = text.partition("## How to see it")[2].partition("## ")[0]
    assert "```sh" in first_look
    assert "```promql" in first_look
    for target in re.findall(r"\]\((\w+\.md)\)", text):
        assert (RUNBOOKS / target).exists(), target


def test_the_commands_of_the_pages_exist() -> None:
    seen = set()
    for words in commands():
        seen.add(words[0])
        match words:
            case ["kubectl", "-n", "$NAMESPACE", "exec", "$POD", "--", "sh", "-c", script]:
                assert script.endswith(" /tmp/ray/session_latest/logs/worker-*.err"), words
            case ["helm", "-n", "$NAMESPACE", verb, "$RELEASE", *_]:
                assert verb in _HELM, words
            case ["kubectl", "-n", "$NAMESPACE", verb, *_]:
                assert verb in _KUBECTL, words
            case ["grpcurl", "-plaintext", *_, ("$GENERATION" | "$SCORING"), method]:
                assert method in _METHODS, words
            case ["expart", *arguments]:
                assert_is_command(arguments)
            case [name, *_]:
                assert name in {"grep", "openssl"}, words
    assert {"kubectl", "helm", "grpcurl", "expart"} <= seen


def assert_is_command(arguments: list[str]) -> None:
    names = [word for word in arguments if not word.startswith(("-", "$"))]
    command = typer.main.get_command(make_app(arguments))
    for name in names:
        command = command.commands[name]  # type: ignore[attr-defined]
    known = {option for item in command.params for option in item.opts} | {"--help"}
    assert {word for word in arguments if word.startswith("--")} <= known, arguments


@pytest.mark.parametrize("asked", RUNBOOK_QUERIES, ids=lambda asked: asked.place)
def test_the_queries_of_the_pages_ask_for_what_is_declared(asked: Asked) -> None:
    assert not faults(asked)


def test_values_that_the_pages_name_are_the_charts() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    named = {
        name
        for page in [*PAGES, RUNBOOKS.parent / "monitoring.md"]
        for name in re.findall(
            rf"`((?:{'|'.join(values)})(?:\.\w+)+)(?=[`:])", page.read_text("utf-8")
        )
    }
    assert {"generation.hubToken.existingSecret", "tls.mode"} <= named
    for name in named:
        found = values
        for key in name.split("."):
            assert key in found, name
            found = found[key]


def test_panels_and_reasons_that_the_pages_name_exist() -> None:
    panels = {panel.title for dashboard in DASHBOARDS for panel in dashboard.panels()}
    dashboards = {dashboard.title for dashboard in DASHBOARDS}
    codes = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "ABORTED", "DATA_LOSS", "RESOURCE_EXHAUSTED"}
    settings = {"INTERACTIVE_SHARE", "NAME"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        for title in re.findall(r"(?<!\*)\*([^*\n]+(?:\n[^*\n]+)?)\*(?!\*)", prose):
            assert " ".join(title.split()) in panels | dashboards, f"{page.stem}: {title}"
        for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", prose):
            assert name in {*ErrorReason} | codes | settings, f"{page.stem}: {name}"
