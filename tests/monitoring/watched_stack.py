"""The real stack, with TLS, under a small sweep and odd callers, watched by a real Prometheus."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc import StatusCode, aio
from pydantic import JsonValue

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2 as scoring_pb
from expart.scoring.v1 import scoring_service_pb2_grpc as scoring_grpc
from services.generation.catalog import ScalingSpec, ScriptedSpec, load_catalog
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from tests.certificates import Authority
from tests.contract.scoring_server import scoring_server
from tests.expart_process import PROJECT, expart_process
from tests.integration.ray_cluster import HEAD_IP, Node, RayCluster, free_ports
from tests.integration.serve_client import Client, until_true
from tests.monitoring.prometheus_server import PrometheusServer, prometheus
from tests.unit.generation.builders import picture, scripted_spec

ENGINE = "demo-tiny"
# Room for 512 tokens, which is the least that vLLM takes for this model, in blocks of 128: two
# answers of over 100 tokens fit, and the third is put back.
NARROW_MEMORY: dict[str, JsonValue] = {"max_num_seqs": 16, "kv_cache_memory_bytes": 4 << 20}
# Over 128 tokens, for the engine remembers prompts by whole blocks.
LONG_INSTRUCTION = "Explain the composition, the colours and the light. " * 12
METRICS = ("ec_exact", "rouge_l", "bertscore")
STEADY = scripted_spec("steady", per_token_s=0.02)
# Two at a time and two that wait: a sweep that asks for eight is refused, and asks again.
NARROW = scripted_spec("narrow", per_token_s=0.01).model_copy(
    update={
        "scaling": ScalingSpec(
            target_ongoing_requests=2, max_ongoing_requests=2, max_queued_requests=2
        )
    }
)
LAZY = scripted_spec("lazy").model_copy(
    update={"scripted": ScriptedSpec(load_s=1.0), "scaling": ScalingSpec(min_replicas=0)}
)
BROKEN = scripted_spec("broken").model_copy(
    update={"scripted": ScriptedSpec(load_error="no weights")}
)
# Six processes start at once, on what may be a busy machine.
START_S = 300.0
# Longer than the alert on a model that failed has patience, 1 min.
FIRING_S = 120.0


class WatchedCluster(RayCluster):
    """A Ray cluster whose metrics are exported at once, and that believes it has a GPU."""

    def __init__(self) -> None:
        super().__init__()
        [self.metrics_port] = free_ports(1)
        self.environment["RAY_metrics_report_interval_ms"] = "1000"

    def _start(self, ip: str, num_cpus: int, *options: str) -> Node:
        return super()._start(ip, num_cpus, *options, "--num-gpus=1")


@dataclass(frozen=True, slots=True)
class Watched:
    """What was watched, and when.

    Attributes:
        prometheus: Who watched.
        since: When it began, in Unix time.
        until: When the sweep was through.
    """

    prometheus: PrometheusServer
    since: float
    until: float

    def values(self, expr: str) -> list[float]:
        """Every number that an expression had meanwhile."""
        return self.prometheus.values(expr, self.since, self.until)

    def series(self, expr: str) -> list[dict[str, str]]:
        """Labels of every series that an expression had meanwhile."""
        return self.prometheus.series(expr, self.since, self.until)


@contextmanager
def watched_stack(folder: Path, models: Path, encoder: dict[str, str]) -> Iterator[Watched]:
    """Runs everything, and then leaves Prometheus running.

    Args:
        folder: Where whatever is written goes.
        models: Folder of the demo models.
        encoder: Settings of the scoring service's encoder.
    """
    scoring_port, sweep_port = free_ports(2)
    authority = Authority.make(folder / "tls")
    pair = authority.issue("service")
    certificate, key = str(pair.certificate), str(pair.key)
    with (
        WatchedCluster() as cluster,
        scoring_server(
            folder,
            METRICS_PORT=str(scoring_port),
            TLS_CERTIFICATE_FILE=certificate,
            TLS_KEY_FILE=key,
            **encoder,
        ) as scoring,
        prometheus(
            folder,
            {
                "expart-generation": f"127.0.0.1:{cluster.metrics_port}",
                "expart-scoring": f"127.0.0.1:{scoring_port}",
                "expart-sweep": f"127.0.0.1:{sweep_port}",
                "ray": f"{HEAD_IP}:{cluster.exporter_port}",
            },
        ) as server,
    ):
        since = time.time()
        cluster.start_head(num_cpus=8)
        engine = load_catalog(PROJECT / "deploy" / "models", models).get(ENGINE)
        cluster.deploy(
            engine.model_copy(update={"engine_arguments": NARROW_MEMORY}),
            *(STEADY, NARROW, LAZY, BROKEN),
            metrics_port=cluster.metrics_port,
            tls_certificate_file=certificate,
            tls_key_file=key,
        )
        security = ClientSecurity(tls_ca_file=authority.file)
        asyncio.run(_call(cluster.address, scoring.address, security))
        _sweep(folder, cluster.address, scoring.address, sweep_port, authority.file)
        asyncio.run(until_true(lambda: _is_firing(server), FIRING_S, "an alert that fires"))
        yield Watched(server, since, time.time())


async def _call(generation: str, scoring: str, security: ClientSecurity) -> None:
    async with (
        open_channel(generation, security) as opened,
        open_channel(scoring, security) as channel,
    ):
        client = Client(opened)
        await client.until_answer(STEADY.name, START_S)
        await client.until_answer(ENGINE, START_S)
        await client.until_state(BROKEN.name, "failed", START_S)
        await client.until_answer(LAZY.name)
        for _ in range(2):
            await client.explain(STEADY.name, request_id="again")
            # The engine finds picture and prompt in its caches the second time.
            await client.explain(
                ENGINE,
                image=content_pb2.Image(data=picture().data),
                instruction=LONG_INSTRUCTION,
            )
        await asyncio.gather(*(client.explain(ENGINE) for _ in range(6)))
        await _leave(client)
        await _ask_for_too_much(client)
        item = scoring_pb.ScoringItem(
            candidate="In Paris.", reference="The Louvre in Paris.", entities=["Paris"]
        )
        request = scoring_pb.ScoreExplanationRequest(item=item, metrics=METRICS)
        await scoring_grpc.ScoringServiceStub(channel).ScoreExplanation(request, timeout=60)


async def _leave(client: Client) -> None:
    """Goes away in the midst of an answer."""
    request = pb.StreamExplanationRequest(model=STEADY.name, instruction="Explain at length.")
    call = client.stub.StreamExplanation(request)
    await call.read()
    call.cancel()


async def _ask_for_too_much(client: Client) -> None:
    asked = (client.explain(NARROW.name) for _ in range(12))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    codes = [answer.code() for answer in answers if isinstance(answer, aio.AioRpcError)]
    assert StatusCode.RESOURCE_EXHAUSTED in codes


def _sweep(folder: Path, generation: str, scoring: str, metrics_port: int, authority: Path) -> None:
    spec = {
        "name": "watched",
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": [ENGINE, STEADY.name, NARROW.name],
        "limits": {"max_questions_per_split": 8},
        "sampling": {"max_tokens": 64},
        "concurrency": 8,
        "metrics": METRICS,
        "prices": {"models": {STEADY.name: {"output_per_million_tokens": 10}}},
        "output": str(folder / "output"),
    }
    (folder / "sweep.yaml").write_text(json.dumps(spec), encoding="utf-8")
    log = folder / "sweep.log"
    with (
        log.open("w") as written,
        expart_process(
            *("sweep", "run", str(folder / "sweep.yaml")),
            f"--generation={generation}",
            f"--scoring={scoring}",
            f"--metrics-port={metrics_port}",
            f"--tls-ca={authority}",
            stderr=written,
            EXPART_SWEEP_COMMIT_INTERVAL_S="1",
            EXPART_CLI_LOG_FOLDER=str(folder),
        ) as process,
    ):
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output + log.read_text(encoding="utf-8")


async def _is_firing(server: PrometheusServer) -> bool:
    return bool(server.now('ALERTS{alertname="ExpartModelFailedToLoad",alertstate="firing"}'))
