"""Scrapes what a service tells Prometheus, and reads it with Prometheus' own parser."""

import asyncio
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def check_with_promtool(text: str) -> None:
    """Has Prometheus' own linter judge names, types and units of what is ours."""
    lines = [line for line in text.splitlines(keepends=True) if "process_" not in line]
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input="".join(lines),
        text=True,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one scrape told: values by the series' names and labels."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]
    text: str

    def get(self, name: str, **labels: str) -> float | None:
        """The value of the one series of these labels; None where there is none."""
        return self.values.get((name, frozenset(labels.items())))

    def value(self, name: str, **labels: str) -> float:
        """The value of a series that must be there."""
        found = self.get(name, **labels)
        assert found is not None, f"{name} {labels} is not told"
        return found

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of all series of a name."""
        return [dict(labels) for found, labels in self.values if found == name]


def scrape(port: int, host: str = "127.0.0.1") -> Scrape:
    """Scrapes a port as Prometheus does."""
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    values = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Scrape(values, text)


async def scraped(port: int) -> Scrape:
    """Scrapes a service that may run in this very process."""
    return await asyncio.to_thread(scrape, port)


async def until_scraped(port: int, condition: Callable[[Scrape], bool]) -> Scrape:
    """Scrapes until something is told that must come; fails if it has not within 20 s."""
    for _ in range(400):
        found = await scraped(port)
        if condition(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it was never told")
