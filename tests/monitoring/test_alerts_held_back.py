"""A real Alertmanager holds back what another alert explains, and nothing else."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from tests.monitoring.programs import running
from tests.monitoring.test_alert_routes import ALERTMANAGER

# Each case has a namespace of its own, HERE, so that no case explains what is in another.
GONE = "ExpartServiceGone namespace=HERE component=generation severity=critical"
FAILED = "ExpartModelFailedToLoad namespace=HERE model=llava severity=critical"
LACKING = "ExpartReplicasBelowWanted namespace=HERE severity=warning"
STALLED = "ExpartSweepStalled sweep=s severity=warning"
CALLS = "ExpartAvailabilityBurnRate namespace=HERE"
TOKENS = "ExpartTimeToFirstTokenBurnRate namespace=HERE"
EXPIRING = "ExpartCertificateExpiring namespace=HERE"
CASES = [
    (
        GONE,
        [f"{STALLED} namespace=HERE", f"{CALLS} component=generation burn=fast"],
        [f"{STALLED} namespace=elsewhere", f"{CALLS} component=scoring burn=fast"],
    ),
    (FAILED, [f"{LACKING} model=llava"], [f"{LACKING} model=qwen"]),
    (
        f"{CALLS} component=scoring burn=fast",
        [f"{CALLS} component=scoring burn=slow"],
        [f"{CALLS} component=generation burn=slow"],
    ),
    (
        f"{TOKENS} model=llava burn=fast",
        [f"{TOKENS} model=llava burn=slow"],
        [f"{TOKENS} model=qwen burn=slow"],
    ),
    (
        f"{EXPIRING} component=scoring severity=critical",
        [f"{EXPIRING} component=scoring severity=warning"],
        [f"{EXPIRING} component=generation severity=warning"],
    ),
]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("alertmanager")
    options = (
        f"--config.file={ALERTMANAGER}",
        f"--storage.path={folder}",
        "--cluster.listen-address=",
    )
    with running("prometheus-alertmanager", folder, *options) as address:
        yield f"{address}/api/v2/alerts"


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=lambda number: CASES[number][0].split()[0]
)
def test_what_another_alert_explains_is_held_back(alertmanager: str, number: int) -> None:
    cause, held_back, told = CASES[number]
    alerts = [_labels(text, number) for text in (cause, *held_back, *told)]
    request = urllib.request.Request(
        alertmanager,
        json.dumps([{"labels": labels} for labels in alerts]).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).close()
    with urllib.request.urlopen(alertmanager, timeout=30) as read:
        answer = [alert for alert in json.load(read) if alert["labels"] in alerts]
    assert len(answer) == len(alerts)
    silent = [alert["labels"] for alert in answer if alert["status"]["inhibitedBy"]]
    assert sorted(silent, key=str) == sorted((_labels(one, number) for one in held_back), key=str)


def _labels(text: str, number: int) -> dict[str, str]:
    name, *pairs = text.replace("HERE", f"case-{number}").split()
    return {"alertname": name} | dict(pair.split("=") for pair in pairs)
