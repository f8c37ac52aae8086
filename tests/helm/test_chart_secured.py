"""What the chart secures is secured: the real service, with the variables and files of its pod.

Files lie as the kubelet puts a Secret's: behind a link to a folder, which is led elsewhere when the
Secret changes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.certificates import Authority, Pair
from tests.conftest import PROJECT
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.helm.chart import Manifest, Rendered, at, list_at, mapping_at, render
from tests.helm.pods import PodTemplate, environment_of, pod_templates

pytestmark = pytest.mark.slow

OLD_TOKEN, NEW_TOKEN = "0ld-token-of-the-sweep-driver", "new-token-of-the-sweep-driver"
_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret as it lies in a pod.

    Attributes:
        folder: Where it is mounted.
    """

    folder: Path

    def put(self, **files: bytes) -> None:
        """Replaces all of its files at once; a name's double underscore stands for a dot."""
        content = self.folder / f"..{time.time_ns()}"
        content.mkdir(parents=True)
        for name, data in files.items():
            (content / name.replace("__", ".")).write_bytes(data)
        fresh = self.folder / "..fresh"
        fresh.symlink_to(content.name)
        fresh.replace(self.folder / "..data")
        for name in files:
            file = self.folder / name.replace("__", ".")
            if not file.is_symlink():
                file.symlink_to(Path("..data", file.name))


@dataclass(frozen=True, slots=True)
class Release:
    """The secured example, with the files of its Secrets on this machine."""

    rendered: Rendered
    root: Path
    authority: Authority

    def pod(self, owner: str) -> PodTemplate:
        (found,) = [pod for pod in pod_templates(self.rendered) if pod.owner.startswith(owner)]
        return found

    def mounted(self, pod: PodTemplate, secret: str) -> Secret:
        """Where a pod has a Secret."""
        (volume,) = [
            one["name"]
            for one in list_at(pod.spec, "volumes")
            if mapping_at(one, "secret").get("secretName") == secret
        ]
        (container,) = pod.containers
        (place,) = [
            one["mountPath"]
            for one in list_at(container, "volumeMounts")
            if one["name"] == volume and "subPath" not in one
        ]
        return Secret(self.root / pod.owner.replace("/", "-") / str(place).strip("/"))

    def variables(self, pod: PodTemplate) -> dict[str, str]:
        """The variables of its container, with paths of this machine."""
        (container,) = pod.containers
        base = self.root / pod.owner.replace("/", "-")
        return {
            name: str(base / text.strip("/")) if text.startswith("/etc/expart/") else text
            for name, text in environment_of(container).items()
        }


def files_of(pair: Pair, authority: Authority) -> dict[str, bytes]:
    """What cert-manager puts into a Secret."""
    return {
        "tls__crt": pair.certificate.read_bytes(),
        "tls__key": pair.key.read_bytes(),
        "ca__crt": authority.file.read_bytes(),
    }


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(
        render("secured-values.yaml"), tmp_path / "pods", Authority.make(tmp_path / "authority")
    )
    name, authority = "demo-expart-serving", made.authority
    scoring, caller = made.pod("Deployment/"), made.pod(f"Pod/{name}-test-scoring")
    server, client = authority.issue("scoring"), authority.issue(f"{name}-sweep")
    made.mounted(scoring, f"{name}-scoring-tls").put(**files_of(server, authority))
    made.mounted(scoring, "expart-tokens").put(tokens=f"sweeper {OLD_TOKEN}\n".encode())
    made.mounted(caller, f"{name}-client-tls").put(**files_of(client, authority))
    # Of the other service's Secret a caller has the authority alone.
    made.mounted(caller, f"{name}-generation-tls").put(ca__crt=authority.file.read_bytes())
    made.mounted(caller, "expart-sweep-token").put(token=OLD_TOKEN.encode())
    return made


@pytest.fixture
def scoring(release: Release, tmp_path: Path) -> Iterator[ScoringServer]:
    own = {
        name.removeprefix("EXPART_SCORING_"): text
        for name, text in release.variables(release.pod("Deployment/")).items()
    }
    given = {"ADDRESS": "127.0.0.1:0", "HEALTH_ADDRESS": "127.0.0.1:0", "WORKERS": "1"}
    del own["METRICS_PORT"]
    with scoring_server(tmp_path, **{**own, **given}) as server:
        yield server


def helm_test(release: Release, address: str, without: tuple[str, ...] = ()) -> tuple[int, str]:
    """Runs ``helm test``'s pod for the scoring service; its exit code, and what it says."""
    pod = release.pod("Pod/demo-expart-serving-test-scoring")
    command = at(pod.containers[0], "command")
    assert isinstance(command, list)
    own = {name: text for name, text in release.variables(pod).items() if name not in without}
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("EXPART_")}
    environment: Mapping[str, str] = {**inherited, "PYTHONPATH": str(PROJECT), **own}
    done = subprocess.run(
        [sys.executable, *map(str, command[1:-1]), address],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_only_who_has_certificate_and_token_is_served_and_both_are_renewed_in_place(
    release: Release, scoring: ScoringServer
) -> None:
    code, said = helm_test(release, scoring.address)
    assert code == 0, said
    code, said = helm_test(release, scoring.address, without=("EXPART_CLI_TOKEN_FILE",))
    assert (code, "carries no token" in said) == (1, True), said
    certificate = ("EXPART_CLI_TLS_CERTIFICATE_FILE", "EXPART_CLI_TLS_KEY_FILE")
    assert helm_test(release, scoring.address, without=certificate)[0] == 1

    pod, caller = release.pod("Deployment/"), release.pod("Pod/demo-expart-serving-test-scoring")
    renewed = files_of(release.authority.issue("scoring"), release.authority)
    release.mounted(pod, "demo-expart-serving-scoring-tls").put(**renewed)
    release.mounted(pod, "expart-tokens").put(tokens=f"sweeper {NEW_TOKEN}\n".encode())
    code, said = helm_test(release, scoring.address)
    assert (code, "not known here" in said) == (1, True), said
    release.mounted(caller, "expart-sweep-token").put(token=NEW_TOKEN.encode())
    code, said = helm_test(release, scoring.address)
    assert code == 0, said
    reloaded = [event["files"] for event in scoring.events("files_reloaded")]
    assert len(reloaded) == 2, reloaded  # the certificate with its key, and the tokens
    logged = scoring.log_path.read_text(encoding="utf-8")
    assert not [secret for secret in (OLD_TOKEN, NEW_TOKEN, "PRIVATE KEY") if secret in logged]


def test_no_command_line_holds_what_a_secret_does(release: Release) -> None:
    # Whoever may list pods sees these.
    for pod in pod_templates(release.rendered):
        for container in pod.containers:
            shown: Manifest = {key: container.get(key) for key in ("command", "args")}
            assert "SECRET" not in str(shown).upper(), pod.owner
            for item in list_at(container, "env"):
                named = any(word in str(item["name"]) for word in ("TOKEN", "PASSWORD", "SECRET"))
                assert not named or str(item.get("value", "/")).startswith(("/", "token")), item
