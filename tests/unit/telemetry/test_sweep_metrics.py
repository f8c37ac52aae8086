"""The driver's metrics, scraped as Prometheus does and read by its own text parser."""

import shutil
import socket
import subprocess
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.core.errors import UserInputError
from services.sweep.progress.metrics import MetricsProgress
from services.sweep.progress.snapshot import (
    COMMIT_BOUNDS_S,
    LATENCY_BOUNDS_S,
    Histogram,
    ModelProgress,
    SweepSnapshot,
)
from services.sweep.spec.spec import PriceSpec, PricesSpec
from services.telemetry.all_metrics import sweep_metrics
from services.telemetry.metrics_server import serving_metrics


def scraped() -> str:
    prices = PricesSpec(
        currency="EUR",
        models={"alpha": PriceSpec(input_per_million_tokens=2.0, output_per_million_tokens=6.0)},
    )
    metrics = MetricsProgress("expart", prices)
    metrics.update(SweepSnapshot((ModelProgress("alpha", 10, done=4),), 3, 0.0, 4))
    alpha = ModelProgress(
        "alpha",
        planned=10,
        done=6,
        failed=1,
        in_flight=2,
        prompt_token_count=500_000,
        generated_token_count=250_000,
        concurrency=8,
        retries={"OVERLOADED": 3},
        latency=Histogram.empty(LATENCY_BOUNDS_S).with_durations([0.3, 0.5, 1000.0]),
    )
    commits = Histogram.empty(COMMIT_BOUNDS_S).with_durations([0.04])
    metrics.update(SweepSnapshot((alpha,), 5, 12.5, 4, commits=commits))
    with (
        serving_metrics(metrics, 0, "127.0.0.1") as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer,
    ):
        text: str = answer.read().decode()
    return text


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("expart_sweep_")
    }


def test_a_scrape_gives_the_counts_of_now_and_counters_since_the_driver_began() -> None:
    found = samples(scraped())

    def value(name: str, **labels: str) -> float:
        labels |= {"sweep": "expart"}
        return found["expart_sweep_" + name, tuple(sorted(labels.items()))]

    assert value("questions_planned", model="alpha") == 10
    assert value("questions_done", model="alpha") == 6
    assert value("questions_settled_total", model="alpha", outcome="done") == 2  # 4 were before
    assert value("questions_settled_total", model="alpha", outcome="failed") == 1
    assert value("questions_in_flight", model="alpha") == 2
    assert value("concurrency_limit", model="alpha") == 8
    assert value("retries_total", model="alpha", reason="OVERLOADED") == 3
    assert value("retries_total", model="alpha", reason="DRAINING") == 0  # seen when it changes
    # 0.5 million at 2 EUR and 0.25 million at 6 EUR: 1 + 1.5
    assert value("token_cost_total", model="alpha", currency="EUR") == 2.5
    # 0.3 and 0.5 are at most 0.5; 1000 is above every bound
    assert value("generation_seconds_bucket", model="alpha", le="0.25") == 0
    assert value("generation_seconds_bucket", model="alpha", le="0.5") == 2
    assert value("generation_seconds_bucket", model="alpha", le="+Inf") == 3
    assert value("generation_seconds_count", model="alpha") == 3
    assert value("generation_seconds_sum", model="alpha") == pytest.approx(1000.8)
    assert value("commit_seconds_count") == 1
    assert value("commits_total") == 1
    assert value("scoring_backlog") == 1  # 6 are done, 5 scored
    # 3 questions in 12.5 s, as there is no pace of the last minute, and 3 are left.
    assert value("eta_seconds") == pytest.approx(12.5)


def test_every_declared_metric_is_scraped_and_no_other() -> None:
    text = scraped()
    names = {
        family.name
        for family in text_string_to_metric_families(text)
        if family.name.startswith("expart_sweep_")
    }
    assert names == {metric.name.removesuffix("_total") for metric in sweep_metrics()}


def test_nothing_is_told_of_a_sweep_that_has_not_begun() -> None:
    assert list(MetricsProgress("expart", PricesSpec()).collect()) == []


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(UserInputError, match=f"--metrics-port {port}: cannot listen"),
            serving_metrics(MetricsProgress("expart", PricesSpec()), port, "127.0.0.1"),
        ):
            pass


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_no_fault() -> None:
    own = "".join(line for line in scraped().splitlines(keepends=True) if "expart_sweep_" in line)
    subprocess.run(["promtool", "check", "metrics"], input=own, text=True, check=True)
