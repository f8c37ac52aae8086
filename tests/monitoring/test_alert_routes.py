"""Prometheus and Alertmanager take the sample files, and alerts reach whom they concern."""

import re

import pytest
import yaml

from tests.monitoring.programs import CHART, MONITORING, said
from tests.monitoring.test_alert_rules import ALERTS

ALERTMANAGER = MONITORING / "alertmanager.yml"
PROVISIONING = MONITORING / "grafana" / "provisioning"


def test_alertmanager_takes_the_sample() -> None:
    assert "3 receivers" in said("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=ExpartServiceGone severity=critical component=generation", "on-call"),
        ("alertname=ExpartAvailabilityBurnRate severity=critical burn=fast", "on-call"),
        ("alertname=ExpartAvailabilityBurnRate severity=warning burn=slow", "team"),
        ("alertname=ExpartModelFailedToLoad severity=critical model=llava", "on-call"),
        ("alertname=ExpartSweepStalled severity=warning sweep=s", "researchers"),
        ("alertname=ExpartCertificateExpiring severity=warning", "team"),
        ("alertname=KubeJobFailed severity=critical", "team"),
    ],
)
def test_an_alert_reaches_whom_it_concerns(labels: str, receiver: str) -> None:
    said(
        *("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}"),
        f"--verify.receivers={receiver}",
        *labels.split(),
    )


def test_what_is_held_back_are_alerts_that_exist() -> None:
    text = ALERTMANAGER.read_text(encoding="utf-8")
    named = {
        name for found in re.findall(r'alertname=~?"([\w|]+)"', text) for name in found.split("|")
    }
    assert named <= {alert.name for alert in ALERTS}
    for rule in yaml.safe_load(text)["inhibit_rules"]:
        assert "namespace" in rule["equal"]


def test_prometheus_takes_the_configuration_of_the_compose_file() -> None:
    said("promtool", "check", "config", "--syntax-only", MONITORING / "prometheus.yml")


def test_grafana_is_given_the_charts_own_dashboards() -> None:
    compose = yaml.safe_load((CHART.parents[1] / "deploy/docker/compose.yaml").read_text("utf-8"))
    mounts = dict(
        mount.removesuffix(":ro").split(":") for mount in compose["services"]["grafana"]["volumes"]
    )
    [provider] = yaml.safe_load((PROVISIONING / "dashboards/expart.yaml").read_text("utf-8"))[
        "providers"
    ]
    assert mounts["../../helm/expart-serving/dashboards"] == provider["options"]["path"]
    assert mounts["../monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounts["../../docs/runbooks"] == "/usr/share/grafana/public/runbooks"
    [source] = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose["services"]


def test_prometheus_scrapes_services_that_the_compose_file_has() -> None:
    compose = yaml.safe_load((CHART.parents[1] / "deploy/docker/compose.yaml").read_text("utf-8"))
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    assert {target.partition(":")[0] for target in targets} <= compose["services"].keys()
    environment = compose["services"]["generation"]["environment"]
    assert f"generation:{environment['EXPART_GENERATION_METRICS_PORT']}" in targets
    environment = compose["services"]["scoring"]["environment"]
    assert f"scoring:{environment['EXPART_SCORING_METRICS_PORT']}" in targets
