"""What a real stack tells Prometheus: the front's metrics, and vLLM's by way of Ray's exporter."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.catalog import load_catalog
from services.telemetry.all_metrics import generation_metrics
from services.telemetry.declarations import Kind
from services.telemetry.engine_metrics import ENGINE_METRICS
from tests.contract.scrapes import Scrape, scrape
from tests.integration.ray_cluster import HEAD_IP, RayCluster, free_ports, ray_cluster
from tests.integration.serve_client import TIMEOUT_S, Client, client_of
from tests.unit.generation.builders import picture, scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

PROJECT = Path(__file__).parents[2]
LLM = "demo-tiny"
# A word a minute: such a generation ends only by being ended.
SLOW = scripted_spec("slow", per_token_s=60)


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def cluster(demo_models: Path, metrics_port: int) -> Iterator[RayCluster]:
    catalog = load_catalog(PROJECT / "deploy/models", demo_models)
    with ray_cluster(num_cpus=4) as running:
        running.deploy(catalog.get(LLM), SLOW, metrics_port=metrics_port)
        yield running


@pytest.fixture
async def client(cluster: RayCluster) -> AsyncIterator[Client]:
    async with client_of(cluster.address) as opened:
        await opened.until_answer(LLM, within_s=2 * TIMEOUT_S)
        yield opened


async def test_the_front_tells_what_it_and_its_models_do(client: Client, metrics_port: int) -> None:
    before = await asyncio.to_thread(scrape, metrics_port)
    image = content_pb2.Image(data=picture().data)
    answer = await client.explain(
        LLM, image=image, sampling=pb.SamplingParameters(max_tokens=9, min_tokens=9)
    )
    stream = client.stub.StreamExplanation(
        pb.StreamExplanationRequest(model=SLOW.name, instruction="Explain."), timeout=TIMEOUT_S
    )
    assert (await stream.read()).text_delta
    stream.cancel()
    after = await asyncio.to_thread(scrape, metrics_port)

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    usage = answer.completion.usage
    assert grown("expart_generation_generated_tokens_total", model=LLM) == 9
    assert grown("expart_generation_prompt_tokens_total", model=LLM) == usage.prompt_token_count
    first = "gen_ai_server_time_to_first_token_seconds"
    labels = {"gen_ai_request_model": LLM, "expart_lane": "interactive"}
    assert grown(first + "_count", **labels) == 1
    assert 0 < grown(first + "_sum", **labels) < TIMEOUT_S
    assert grown("expart_generation_request_bytes_total", method="GenerateExplanation") > 100
    cancelled = "expart_generation_explanations_cancelled_total"
    assert await told_later(
        metrics_port, lambda now: now.value(cancelled, model=SLOW.name, cause="client") == 1
    )
    for model in (LLM, SLOW.name):
        assert after.value("expart_generation_model_state", model=model, state="ready") == 1
        for kind in ("ready", "wanted"):
            assert after.value("expart_generation_model_replicas", model=model, kind=kind) == 1
    named = {line.split()[2] for line in after.text.splitlines() if line.startswith("# TYPE")}
    absent = {"expart_generation_certificate_expiry_timestamp_seconds"}
    ours = {name for name in named if name.startswith(("expart_", "gen_ai_"))}
    assert ours == {metric.name for metric in generation_metrics()} - absent


async def test_ray_s_exporter_tells_vllm_s_metrics_by_the_names_that_we_list(
    cluster: RayCluster, client: Client
) -> None:
    image = content_pb2.Image(data=picture().data)
    for _ in range(2):  # the second finds the picture in vLLM's cache
        await client.explain(
            LLM, image=image, sampling=pb.SamplingParameters(max_tokens=9, min_tokens=9)
        )

    def has_all(now: Scrape) -> bool:
        told = {name for name, _ in now.values}
        return told >= expected_series() and generated(now) >= 18

    # Ray's processes report every ten seconds.
    assert await told_later(cluster.exporter_port, has_all, HEAD_IP), "not all were told"
    found = await asyncio.to_thread(scrape, cluster.exporter_port, HEAD_IP)
    for metric in ENGINE_METRICS:
        for labels in series_of(found, metric.name):
            assert set(metric.labels) <= set(labels), metric.name
            assert labels["model_name"] == LLM
            assert labels["ReplicaId"]


def expected_series() -> set[str]:
    """The names of series that a stack without trouble must tell."""
    # What never counted is not told: nothing is put back for lack of memory here, and the prompts
    # are shorter than a block of the prefix cache.
    quiet = {"ray_vllm_num_preemptions_total", "ray_vllm_prefix_cache_hits_total"}
    return {
        metric.name + ("_count" if metric.kind is Kind.HISTOGRAM else "")
        for metric in ENGINE_METRICS
        if metric.name not in quiet
    }


def series_of(found: Scrape, name: str) -> list[dict[str, str]]:
    return [*found.labels(name), *found.labels(name + "_bucket")]


def generated(now: Scrape) -> float:
    name = "ray_vllm_generation_tokens_total"
    return sum(value for (found, _), value in now.values.items() if found == name)


async def told_later(
    port: int, condition: Callable[[Scrape], bool], host: str = "127.0.0.1"
) -> bool:
    """Scrapes until something is told; False if it has not been within a minute."""
    for _ in range(120):
        found = await asyncio.to_thread(scrape, port, host)
        if condition(found):
            return True
        await asyncio.sleep(0.5)
    return False
