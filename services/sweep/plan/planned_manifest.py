"""The manifest that a run begins with."""

import platform
from datetime import datetime
from importlib import metadata
from pathlib import Path

from services.benchmark.prepared import dataset_revision
from services.sweep.plan.jobs import model_digest
from services.sweep.plan.plan import SweepPlan
from services.sweep.results.manifest import Manifest
from services.sweep.spec.spec_digest import spec_digest

# Packages that can change a result or the way it is stored.
_PACKAGES = ("expart-serving", "deltalake", "grpcio", "protobuf", "pyarrow")


def new_manifest(plan: SweepPlan, started_at: datetime, before: Manifest | None) -> Manifest:
    """Begins the manifest of a run; what earlier runs attested of the same models is kept.

    A plan without work is no run that asks anything: the times stay those of the one before.
    """
    spec = plan.spec.model_dump(mode="json")
    revisions = {model.label: model.description.revision for model in plan.models}
    is_run = plan.has_work
    attested = {}
    if before is not None:
        attested = {
            label: kept
            for label, noted in before.attested.items()
            if (kept := [entry for entry in noted if entry.revision == revisions.get(label)])
        }
    return Manifest(
        spec=spec,
        spec_digest=spec_digest(plan.spec),
        dataset=plan.dataset.folder,
        dataset_revision=dataset_revision(Path(plan.dataset.folder)),
        dataset_digest=plan.dataset.digest,
        mapping=plan.dataset.mapping,
        plan_digest=plan.digest,
        questions=len(plan.jobs),
        revisions=revisions,
        model_digests={model.label: model_digest(model) for model in plan.models},
        attested=attested,
        signatures={} if before is None else before.signatures,
        scorings=[] if before is None else before.scorings,
        versions=_versions(),
        shard=plan.shard.index,
        shards=plan.shard.count,
        planned_at=started_at,
        started_at=started_at if is_run or before is None else before.started_at,
        ended_at=None if is_run or before is None else before.ended_at,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
