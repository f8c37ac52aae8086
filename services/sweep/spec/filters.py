"""Chooses the questions of a sweep: settings, filters, limits, order."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from services.benchmark.records import Question, Split
from services.core.errors import UserInputError
from services.sweep.spec.key_advice import nearest
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec

_MOST_NAMED = 5


def select_questions(
    questions: Sequence[Question], spec: SweepSpec, shard: Shard | None = None
) -> tuple[Question, ...]:
    """Keeps the questions that a spec asks and a shard holds, artwork by artwork.

    A limit keeps the same questions whatever the order of the file, each in every setting, and
    whatever the shard.

    Raises:
        UserInputError: A filter names an artwork, section or question that the dataset lacks.
    """
    chosen = [question for question in questions if question.setting in spec.settings]
    chosen = _limited(_filtered(chosen, questions, spec), spec)
    if shard is not None and shard.count > 1:
        own = {artwork for artwork in {q.artwork for q in chosen} if shard.holds(artwork)}
        chosen = [question for question in chosen if question.artwork in own]
    return _in_order(chosen, spec)


def _filtered(
    chosen: Iterable[Question], questions: Sequence[Question], spec: SweepSpec
) -> list[Question]:
    filters = spec.filters
    kept = list(chosen)
    for key, names, wanted in (
        ("artworks", lambda q: (q.artwork, q.title), filters.artworks),
        ("sections", lambda q: (q.section,), filters.sections),
        ("question_ids", lambda q: (q.question_id, q.id), filters.question_ids),
    ):
        if wanted:
            _check_known(spec, key, wanted, questions, names)
            some = frozenset(wanted)
            kept = [question for question in kept if not some.isdisjoint(names(question))]
    if filters.has_entities is not None:
        kept = [q for q in kept if bool(q.entities) == filters.has_entities]
    return kept


def _check_known(
    spec: SweepSpec,
    key: str,
    wanted: Sequence[str],
    questions: Sequence[Question],
    names: Callable[[Question], Sequence[str]],
) -> None:
    known = {name for question in questions for name in names(question)}
    lacking = [name for name in wanted if name not in known]
    if lacking:
        shown = ", ".join(f"'{name}'" for name in lacking[:_MOST_NAMED])
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        raise UserInputError(
            f"{spec.path}: filters.{key}: the dataset has no {shown}{more}"
            f"{nearest(lacking[0], sorted(known))}"
        )


def _limited(chosen: list[Question], spec: SweepSpec) -> list[Question]:
    limits, seed = spec.limits, spec.seed
    if (most := limits.max_artworks_per_split) is not None:
        chosen = _keep(chosen, lambda q: (q.split,), lambda q: q.artwork, most, seed)
    if (most := limits.max_questions_per_artwork) is not None:
        chosen = _keep(chosen, lambda q: (q.split, q.artwork), _question_id, most, seed)
    if (most := limits.max_questions_per_split) is not None:
        chosen = _keep(chosen, lambda q: (q.split,), _question_id, most, seed)
    return chosen


def _question_id(question: Question) -> str:
    return question.question_id


def _keep(
    questions: list[Question],
    group: Callable[[Question], tuple[Split | str, ...]],
    name: Callable[[Question], str],
    most: int,
    seed: int,
) -> list[Question]:
    """Keeps, in each group, the questions that bear one of the names drawn."""
    names: dict[tuple[Split | str, ...], set[str]] = {}
    for question in questions:
        names.setdefault(group(question), set()).add(name(question))
    drawn = {place: _draw(known, place[0], most, seed) for place, known in names.items()}
    return [question for question in questions if name(question) in drawn[group(question)]]


def _draw(names: Iterable[str], split: str, most: int, seed: int) -> frozenset[str]:
    return frozenset(sorted(names, key=lambda name: _rank(seed, split, name))[:most])


def _in_order(questions: list[Question], spec: SweepSpec) -> tuple[Question, ...]:
    """Puts the questions about an artwork, and of these the ones with one picture, together."""
    artworks = dict.fromkeys(question.artwork for question in questions)
    if spec.shuffle:
        artworks = dict.fromkeys(sorted(artworks, key=lambda name: _rank(spec.seed, "order", name)))
    order = {artwork: place for place, artwork in enumerate(artworks)}
    images: dict[str, int] = {}
    for question in questions:
        images.setdefault(question.image, len(images))
    return tuple(sorted(questions, key=lambda q: (order[q.artwork], images[q.image])))


def _rank(seed: int, split: str, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{split}/{name}".encode()).digest()
