"""Grounding controls: questions asked with another artwork's picture, or with none."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from services.benchmark.records import Question, Split
from services.core.errors import UserInputError

# Stands in a key for the digest of a picture that is not there; with the picture comes a new key.
MISSING = "missing:"


class Control(StrEnum):
    """Which picture a question is shown with. A model that looks does worse under a control."""

    NONE = "none"
    """Its own picture: no control."""

    WRONG_IMAGE = "wrong_image"
    """Another artwork's picture, of the same split."""

    NO_IMAGE = "no_image"
    """No picture at all."""


class Shown(NamedTuple):
    """The picture that a question is asked with.

    Attributes:
        image: Its path or URL as records name it; None for no picture.
        digest: ``sha256:…`` of its bytes, a marker where it is missing, empty for no picture.
    """

    image: str | None
    digest: str


class ShownPictures:
    """Says which picture goes with which question under each control.

    Wrong pictures: the artworks of a split stand in a circle, in an order drawn by the seed, and
    each is shown with the picture of the next. So no artwork keeps its own and, as long as no
    picture is missing, each is used once. A question keeps its wrong picture when limits, filters
    or shards change, as all the artworks of the split are in the circle.

    Args:
        questions: All the questions of the dataset.
        seed: Draws the order.
        digest: Names a picture by its content; None if it is missing.
    """

    def __init__(
        self, questions: Sequence[Question], seed: int, digest: Callable[[str], str | None]
    ) -> None:
        self._questions = questions
        self._seed = seed
        self._digest = digest
        self._circles: dict[Split, _Circle] = {}
        self._wrong: dict[tuple[Split, str, str], Shown] = {}

    def of(self, question: Question, control: Control) -> Shown:
        """The picture that a question is shown with.

        Raises:
            UserInputError: A wrong picture is asked for, and the split has no other one.
        """
        match control:
            case Control.NONE:
                image = question.image
                return Shown(image, self._digest(image) or MISSING + image)
            case Control.NO_IMAGE:
                return Shown(None, "")
            case Control.WRONG_IMAGE:
                place = (question.split, question.artwork, question.image)
                if place not in self._wrong:
                    self._wrong[place] = self._draw(question)
                return self._wrong[place]

    def _draw(self, question: Question) -> Shown:
        circle = self._circles.get(question.split)
        if circle is None:
            circle = _Circle(self._questions, question.split, self._seed)
            self._circles[question.split] = circle
        own = self._digest(question.image)
        for image in circle.after(question.artwork):
            digest = self._digest(image)
            # Two artworks may share a picture, which would then be no wrong one.
            if digest is not None and digest != own and image != question.image:
                return Shown(image, digest)
        raise UserInputError(
            f"control wrong_image: split {question.split} has no picture but that of "
            f"'{question.artwork}'"
        )


class _Circle:
    """The artworks of a split in the order drawn, each with its first picture."""

    def __init__(self, questions: Sequence[Question], split: Split, seed: int) -> None:
        images: dict[str, str] = {}
        for question in questions:
            if question.split is split:
                images.setdefault(question.artwork, question.image)
        drawn = sorted(images, key=lambda artwork: _rank(seed, split, artwork))
        self._images = [images[artwork] for artwork in drawn]
        self._place = {artwork: place for place, artwork in enumerate(drawn)}

    def after(self, artwork: str) -> Iterator[str]:
        """The pictures of the other artworks, from the next one on."""
        place, count = self._place[artwork], len(self._images)
        for step in range(1, count):
            yield self._images[(place + step) % count]


def _rank(seed: int, split: Split, artwork: str) -> bytes:
    return hashlib.sha256(f"wrong image/{seed}/{split}/{artwork}".encode()).digest()
