"""A real Prometheus on this machine, with the project's own configuration and rules."""

import http.server
import json
import math
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.monitoring.programs import CHART, MONITORING, running

RECORDED = "recorded"
NAMESPACE = "tested"
RECORDED_FILES = sorted((Path(__file__).parent / "recorded").glob("*.prom"))


class PrometheusServer:
    """Asks a running Prometheus.

    Args:
        address: Its ``http://host:port``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.began_at = time.time()

    def values(self, expr: str, since: float, until: float) -> list[float]:
        """Every number that an expression had in a time, at each second; NaN is none."""
        return [
            float(value)
            for series in self._range(expr, since, until)
            for _, value in series["values"]
            if math.isfinite(float(value))
        ]

    def series(self, expr: str, since: float, until: float) -> list[dict[str, str]]:
        """Labels of every series that an expression had in a time."""
        return [series["metric"] for series in self._range(expr, since, until)]

    def now(self, expr: str) -> list[float]:
        """Every number that an expression has now."""
        answer = self._get("query", {"query": expr})
        return [float(series["value"][1]) for series in answer["data"]["result"]]

    def names(self, matcher: str) -> set[str]:
        """Names of the series of some targets."""
        return set(self._get("label/__name__/values", {"match[]": matcher})["data"])

    def _range(self, expr: str, since: float, until: float) -> Any:
        fields = {"query": expr, "start": since, "end": until, "step": 1}
        return self._get("query_range", fields)["data"]["result"]

    def _get(self, path: str, fields: Mapping[str, object]) -> Any:
        query = urllib.parse.urlencode(fields)
        try:
            with urllib.request.urlopen(
                f"{self.address}/api/v1/{path}?{query}", timeout=30
            ) as read:
                return json.load(read)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{fields}: {error.read().decode()}") from error


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[PrometheusServer]:
    """Runs Prometheus with the configuration of the compose file.

    Args:
        folder: Where it keeps its data.
        targets: Addresses to scrape by the jobs' names, in place of the compose file's.
    """
    with _recorded_series() as recorded:
        config = _configuration({**targets, RECORDED: recorded})
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        options = (
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
        )
        with running("prometheus", folder, *options) as address:
            yield PrometheusServer(address)


def _configuration(targets: Mapping[str, str]) -> dict[str, object]:
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(CHART / "rules" / "*.yaml")]
    config["scrape_configs"].append({"job_name": RECORDED, "static_configs": [{}]})
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs.keys() == targets.keys()
    for name, target in targets.items():
        jobs[name]["static_configs"] = [{"targets": [target], "labels": {"namespace": NAMESPACE}}]
    return dict(config)


@contextmanager
def _recorded_series() -> Iterator[str]:
    text = "".join(file.read_text("utf-8") for file in RECORDED_FILES).encode()

    class Exporter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
