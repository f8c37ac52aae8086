"""The manifest of an output folder: how its results came about."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from services.core.errors import UserInputError
from services.sweep.results.folder import ResultFolder
from services.sweep.results.keys import KEY_VERSION
from services.sweep.results.scorings import Scoring
from services.sweep.results.store import ResultStore

FILE_NAME = "manifest.json"
FORMAT: Literal["expart-sweep/2"] = "expart-sweep/2"


class Attestation(BaseModel):
    """What the generation service said it ran for one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str
    engine: str
    engine_version: str
    dtype: str
    quantization: str
    sampling: dict[str, JsonValue]


class Manifest(BaseModel):
    """How the results of an output folder came about.

    Attributes:
        format: Name and version of this file's format.
        key_version: Version of the key algorithm.
        spec: The sweep spec, its paths absolute.
        spec_digest: Names what the spec asks; how fast, where to and at what price is no part of
            it.
        dataset: Folder of the dataset.
        dataset_revision: What ``expart dataset prepare`` noted that it loaded; empty for files of
            one's own.
        dataset_digest: Names the dataset's files by their contents.
        mapping: The field mapping that fitted.
        plan_digest: Names the set of planned questions; empty while it is being replaced.
        questions: Questions planned, over all models.
        revisions: Planned revision of each model.
        model_digests: For each model, a name for all of it that results' keys are made of.
        attested: For each model, everything that the service attested, each once.
        signatures: Signature of each metric, as they were computed last.
        scorings: Every way in which this shard's answers were scored, each once.
        versions: Python and the packages that matter.
        shard: Which share of the sweep this is, from 0.
        shards: How many shares there are.
        planned_at: When the plan was noted.
        started_at: When the last run that asked anything began.
        ended_at: When it ended; absent while it runs, or when it was killed.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["expart-sweep/2"] = FORMAT
    key_version: str = KEY_VERSION
    spec: dict[str, JsonValue]
    spec_digest: str
    dataset: str
    dataset_revision: str = ""
    dataset_digest: str
    mapping: str
    plan_digest: str
    questions: int
    revisions: dict[str, str]
    model_digests: dict[str, str] = {}
    attested: dict[str, list[Attestation]] = {}
    signatures: dict[str, str] = {}
    scorings: list[Scoring] = []
    versions: dict[str, str]
    shard: int
    shards: int
    planned_at: datetime
    started_at: datetime
    ended_at: datetime | None = None

    def differences(self, other: "Manifest") -> tuple[str, ...]:
        """In what it and another shard's manifest are not of one plan; empty where they are."""
        pairs = {
            "key version": (self.key_version, other.key_version),
            "spec": (self.spec_digest, other.spec_digest),
            "dataset": (self.dataset_digest, other.dataset_digest),
            "mapping": (self.mapping, other.mapping),
            "models": (
                (self.revisions, self.model_digests),
                (other.revisions, other.model_digests),
            ),
        }
        return tuple(name for name, (own, others) in pairs.items() if own != others)

    def attest(self, label: str, attestation: Attestation) -> bool:
        """Notes what ran for a model; false if it was noted before."""
        known = self.attested.setdefault(label, [])
        if attestation in known:
            return False
        known.append(attestation)
        return True

    def note_scoring(self, scoring: Scoring) -> bool:
        """Notes how answers are to be scored; false if it was noted before."""
        if scoring in self.scorings:
            return False
        self.scorings.append(scoring)
        return True


def read_manifest(folder: ResultFolder) -> Manifest | None:
    """Reads the manifest of a shard, if there is one.

    Raises:
        UserInputError: The file is there and is no manifest of this version.
    """
    stored = folder.read(FILE_NAME)
    if stored is None:
        return None
    try:
        return Manifest.model_validate_json(stored.content)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise UserInputError(
            f"{folder.uri}/{FILE_NAME}: no manifest of this version: {reason}"
        ) from error


def read_manifests(store: ResultStore) -> tuple[Manifest, ...]:
    """Reads the manifests of all shards that were ever begun.

    Raises:
        UserInputError: A manifest cannot be read.
    """
    found = (read_manifest(store.folder(shard)) for shard in store.shards())
    return tuple(manifest for manifest in found if manifest is not None)


class TakesFiles(Protocol):
    """A folder, or the tables in it as the driver writes them who holds them."""

    def write(self, name: str, content: bytes) -> None:
        """Makes a file durable, in the place of the one before."""
        ...


def write_manifest(manifest: Manifest, shard: TakesFiles) -> None:
    """Replaces the manifest of a shard: readers see the old one or the new one.

    Args:
        manifest: The manifest.
        shard: The tables of a driver that holds the shard: what it lost to another one it leaves
            alone, and an object store that does not answer is waited for. Or just the folder.

    Raises:
        UserInputError: The folder cannot be written, or another driver has taken the shard over.
    """
    shard.write(FILE_NAME, manifest_text(manifest))


def note_replacing(manifest: Manifest, shard: TakesFiles) -> None:
    """Notes that a shard's plan is about to be replaced: plan and manifest are two writes.

    Should the driver die between them, the plan counts as another one than any manifest names, and
    whoever plans next replaces it.

    Raises:
        UserInputError: The folder cannot be written, or another driver has taken the shard over.
    """
    write_manifest(manifest.model_copy(update={"plan_digest": ""}), shard)


def manifest_text(manifest: Manifest) -> bytes:
    """The manifest as it is stored."""
    return (manifest.model_dump_json(indent=2) + "\n").encode()


def last_planned(store: ResultStore) -> Manifest | None:
    """The manifest whose plan was noted last, over all shards: its shards hold the present plan.

    Raises:
        UserInputError: A manifest cannot be read.
    """
    return latest(read_manifests(store))


def latest(manifests: Iterable[Manifest]) -> Manifest | None:
    """The manifest whose plan was noted last."""
    return max(manifests, key=lambda manifest: manifest.planned_at, default=None)
