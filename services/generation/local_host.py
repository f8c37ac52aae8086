"""The process that hosts a local stack: it starts Ray, and ends everything when told to.

Run by :mod:`services.generation.local`, never by hand: ``python -m services.generation.local_host
CONFIG``. It writes one JSON event a line to its standard output, sends everything that Ray and the
models print to its standard error, and stops as soon as its standard input is closed, so that it
never outlives the program that started it.
"""

import asyncio
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import ray
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ray import serve
from ray.serve.schema import ApplicationStatusOverview

from services.core.errors import ExpArtError
from services.generation.app import build_front_app, build_model_app
from services.generation.catalog import Catalog
from services.generation.conditions import full_message, model_condition
from services.generation.domain import ModelCondition, ModelState
from services.generation.local_config import EventKind, HostConfig, HostEvent
from services.generation.messages import one_line
from services.generation.names import FRONT_APPLICATION, model_application
from services.generation.processes import adopt_orphans, end_descendants
from services.generation.turns import check_gpus
from services.rpc.channel import open_channel
from services.telemetry.logging import configure_logging

_log = structlog.get_logger()

_OBJECT_STORE_BYTES = 128 * 2**20
_POLL_S = 0.3
# Ray replaces 127.0.0.1 by an address that other machines reach; any other loopback one it keeps.
_LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
# Beyond this a start that hangs, such as Ray's, is ended from outside its thread.
_STOP_GRACE_S = 15.0


class _Stopped(Exception):  # noqa: N818 - no error: the parent asked
    """The parent closed our input."""


class LocalHost:
    """Starts and watches one local stack.

    Args:
        config: What to start.
        events: Where to report.
    """

    def __init__(self, config: HostConfig, events: IO[str]) -> None:
        self._config = config
        self._catalog = Catalog({spec.name: spec for spec in config.specs})
        self._events = events
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._ended = threading.Event()

    def run(self) -> int:
        """Hosts the stack until told to stop; returns the process's exit code."""
        threading.Thread(target=self._watch_input, daemon=True).start()
        try:
            self._start_ray()
            self._deploy()
            if not self._wait_for_models():
                return 1
            asyncio.run(self._wait_for_front())
            self._report("ready", address=self._config.settings().address)
            self._stop.wait()
        except _Stopped:
            _log.info("start_interrupted")
        except Exception as error:  # noqa: BLE001 - whoever waits for us needs the reason
            _log.exception("local_stack_failed")
            # Our own errors speak for themselves; others need their name.
            ours = isinstance(error, ExpArtError)
            said = error if ours else f"{type(error).__name__}: {error}"
            self._report("failed", detail=one_line(said))
            return 1
        finally:
            self._end()
        return 0

    def _start_ray(self) -> None:
        self._report("ray_starting")
        cores = sum(spec.num_cpus * spec.scaling.max_replicas for spec in self._catalog)
        ray.init(
            address="local",
            # Logical: it only has to admit the replicas, which share the cores there are.
            num_cpus=int(cores) + 2,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir=str(self._config.temp_folder),
            _node_ip_address=_LOOPBACK,
        )
        self._check_stop()
        gpus = ray.cluster_resources().get("GPU", 0.0)
        check_gpus(self._catalog, gpus, self._config.at_a_time)
        # Nobody speaks HTTP to this stack, and gRPC is served by the front itself.
        serve.start(proxy_location="Disabled")
        self._check_stop()

    def _deploy(self) -> None:
        settings = self._config.settings()
        targets = [
            serve.RunTarget(
                build_model_app(spec, settings, start_attempts=1),
                name=model_application(spec.name),
                route_prefix=None,
            )
            for spec in self._catalog
        ]
        targets.append(
            serve.RunTarget(
                build_front_app(self._catalog, settings),
                name=FRONT_APPLICATION,
                route_prefix=None,
            )
        )
        serve.run_many(
            targets,
            wait_for_ingress_deployment_creation=False,
            wait_for_applications_running=False,
        )

    def _wait_for_models(self) -> bool:
        """Reports every change until all models are ready, or one has failed."""
        known: dict[str, ModelCondition] = {}
        while True:
            self._check_stop()
            applications = serve.status().applications
            for spec in self._catalog:
                condition = model_condition(
                    applications.get(model_application(spec.name)),
                    may_be_empty=spec.scaling.min_replicas == 0,
                )
                if condition != known.get(spec.name):
                    self._report("model", spec.name, condition.state.value, condition.reason)
                known[spec.name] = condition
            front = model_condition(applications.get(FRONT_APPLICATION), may_be_empty=False)
            if front.state is ModelState.FAILED:
                self._report("failed", detail=f"the front: {front.reason}")
                return False
            states = {condition.state for condition in known.values()}
            if ModelState.FAILED in states:
                self._log_failures(applications, known)
                return False
            if ModelState.LOADING not in states and front.state is ModelState.READY:
                return True
            self._stop.wait(_POLL_S)

    def _log_failures(
        self,
        applications: Mapping[str, ApplicationStatusOverview],
        known: Mapping[str, ModelCondition],
    ) -> None:
        """Writes Serve's whole account, tracebacks included; Ray's own files do not outlive it."""
        for name, condition in known.items():
            if condition.state is ModelState.FAILED:
                account = full_message(applications[model_application(name)])
                sys.stderr.write(f"model {name} could not be loaded:\n{account}\n")

    async def _wait_for_front(self) -> None:
        """Returns once the front itself says over gRPC that every model can be called."""
        settings = self._config.settings()
        # Where TLS is on, the parent has seen to a second address that does without.
        async with open_channel(settings.health_address or settings.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in self._catalog.names:
                while True:
                    self._check_stop()
                    request = health_pb2.HealthCheckRequest(service=name)
                    answer = await stub.Check(request, wait_for_ready=True, timeout=60)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        break
                    await asyncio.sleep(_POLL_S)

    def _watch_input(self) -> None:
        while sys.stdin.buffer.read(1):
            pass
        self._stop.set()
        if not self._ended.wait(_STOP_GRACE_S):
            end_descendants(grace_s=0)
            os._exit(1)

    def _end(self) -> None:
        # Serve's orderly shutdown would take another 4 to 8 s and save nothing here.
        try:
            ray.shutdown()
        finally:
            end_descendants(grace_s=2)
            self._ended.set()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _report(
        self, kind: EventKind, model: str = "", state: str = "", detail: str = "", address: str = ""
    ) -> None:
        event = HostEvent(
            kind=kind,
            model=model,
            state=state,
            detail=detail,
            address=address,
            ray_address=ray.get_runtime_context().gcs_address if ray.is_initialized() else "",
            elapsed_s=time.monotonic() - self._started,
        )
        try:
            self._events.write(event.model_dump_json() + "\n")
            self._events.flush()
        except BrokenPipeError:
            self._stop.set()


def main() -> None:
    """Hosts the stack that the configuration file describes."""
    # Ray and its children print to standard output; the events get a channel of their own.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    configure_logging(json=True, fields={"program": "expart-local-stack"})
    adopt_orphans()
    config_file = Path(sys.argv[1])
    config = HostConfig.model_validate_json(config_file.read_text(encoding="utf-8"))
    code = LocalHost(config, events).run()
    # The parent would do it, unless it was killed.
    shutil.rmtree(config_file.parent, ignore_errors=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
