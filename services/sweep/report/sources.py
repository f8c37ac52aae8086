"""Opens what a report is made from: outputs of sweeps, or the folders of single shards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.core.errors import UserInputError
from services.sweep.results.manifest import Manifest, latest, read_manifest
from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_plan import PlanReader, StoredPlan
from services.sweep.results.stored_scores import StoredScores
from services.sweep.results.stored_spec import spec_of
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec

_SHARDS = "shards"


@dataclass(frozen=True, slots=True)
class Source:
    """One sweep of a report, from one output or from several that hold shards of it.

    Attributes:
        name: The sweep's name, and its output where another one has the same name.
        outputs: Where it is, as given.
        manifest: How it came about, as noted by the shard that was planned last.
        manifests: The same of every shard that is read.
        spec: What it asks; its paths are absolute.
        plan: Its questions.
        scores: Their last scores, failures and endings, each at its question's place in the plan.
        tables: The tables of every shard.
        metrics: Names of the metrics that some of its answers were scored by.
    """

    name: str
    outputs: tuple[str, ...]
    manifest: Manifest
    manifests: tuple[Manifest, ...]
    spec: SweepSpec
    plan: StoredPlan
    scores: StoredScores
    tables: tuple[ResultTables, ...]
    metrics: tuple[str, ...]

    @property
    def output(self) -> str:
        """Where it is, in one line."""
        return ", ".join(self.outputs)


@dataclass(frozen=True, slots=True)
class _Place:
    """An output as given: all its shards, or one of them."""

    given: str
    store: ResultStore
    manifests: dict[Shard, Manifest]
    last: Manifest
    shards: tuple[Shard, ...]


def open_sources(outputs: Sequence[str]) -> tuple[Source, ...]:
    """Opens sweeps; outputs that hold different shards of one plan are one sweep.

    Args:
        outputs: Folders or URIs of outputs, or of single shards: ``OUT/shards/00000-of-00004``.

    Raises:
        UserInputError: One of them is no sweep, cannot be read, or is given twice; or they are not
            about the same dataset.
    """
    places = [_open(given) for given in outputs]
    groups: list[list[_Place]] = []
    for place in places:
        group = next((group for group in groups if _belongs(place, group)), None)
        if group is None:
            groups.append([place])
        else:
            group.append(place)
    _refuse_twice(places)
    _refuse_other_datasets(places)
    return _named_apart([_source(group) for group in groups])


def _named_apart(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Adds the output to the name where several sweeps have the same."""
    names = [source.name for source in sources]
    return tuple(
        replace(source, name=f"{source.name} in {source.output}")
        if names.count(source.name) > 1
        else source
        for source in sources
    )


def _open(given: str) -> _Place:
    parent, _, label = given.rstrip("/").rpartition("/")
    folder, slash, name = parent.rpartition("/")
    if name == _SHARDS and "-of-" in label:
        store = ResultStore(folder or slash or ".")
        shards: tuple[Shard, ...] = (Shard.parse(label),)
    else:
        store = ResultStore(given)
        shards = store.shards()
    read = {shard: read_manifest(store.folder(shard)) for shard in shards}
    manifests = {shard: manifest for shard, manifest in read.items() if manifest is not None}
    last = latest(manifests.values())
    if last is None:
        raise UserInputError(f"{given}: there is no sweep here")
    return _Place(given, store, manifests, last, shards)


def _belongs(place: _Place, group: Sequence[_Place]) -> bool:
    """Whether a place holds other shards of the plan that a group's places hold."""
    last, other = place.last, group[0].last
    if last.shards != other.shards or last.differences(other):
        return False
    known = {shard for one in group for shard in _present(one, other.shards)}
    return not known & set(_present(place, other.shards))


def _present(place: _Place, count: int) -> list[Shard]:
    return [shard for shard in place.manifests if shard.count == count]


def _refuse_twice(places: Sequence[_Place]) -> None:
    known: dict[str, str] = {}
    for place in places:
        for shard in place.shards:
            address = _address(place, shard)
            if address in known:
                raise UserInputError(
                    f"{place.given}: the results of {known[address]} are given once more"
                )
        known |= {_address(place, shard): place.given for shard in place.shards}


def _address(place: _Place, shard: Shard) -> str:
    uri = place.store.folder(shard).uri
    return uri if "://" in uri else str(Path(uri).resolve())


def _refuse_other_datasets(places: Iterable[_Place]) -> None:
    first, *others = places
    for other in others:
        for what, one, two in (
            ("dataset", first.last.dataset_digest, other.last.dataset_digest),
            ("field mapping", first.last.mapping, other.last.mapping),
        ):
            if one != two:
                raise UserInputError(
                    f"{first.given} and {other.given} cannot stand in one report: the {what} of "
                    f"the first is {one}, of the second {two}"
                )


def _source(group: Sequence[_Place]) -> Source:
    outputs = tuple(place.given for place in group)
    last = max((place.last for place in group), key=lambda manifest: manifest.planned_at)
    begun = {
        shard: place for place in group for shard in place.manifests if shard.count == last.shards
    }
    wanted = [Shard(index, last.shards) for index in range(last.shards)]
    stale = {shard for shard, place in begun.items() if place.manifests[shard].differences(last)}
    reader = PlanReader(", ".join(outputs))
    present = [shard for shard in wanted if shard in begun and shard not in stale]
    for shard in present:
        batches = begun[shard].store.tables(shard).batches(Table.PLAN, reader.columns)
        reader.add(shard.label, batches)
    plan = reader.result(
        tuple(shard.label for shard in wanted if shard not in begun),
        tuple(shard.label for shard in wanted if shard in stale),
    )
    # What was stored under another number of shards counts like the rest.
    tables = tuple(place.store.tables(shard) for place in group for shard in place.shards)
    spec = spec_of(last, group[0].store.uri)
    scores = StoredScores(tables, plan)
    return Source(
        name=spec.name,
        outputs=outputs,
        manifest=last,
        manifests=tuple(begun[shard].manifests[shard] for shard in present),
        spec=spec,
        plan=plan,
        scores=scores,
        tables=tables,
        metrics=scores.metrics,
    )
