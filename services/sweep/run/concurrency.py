"""How many questions of one model are in flight: as many as the service makes use of, and no more.

What is in flight is either being worked on or waiting, and the service attests how long each answer
waited and how long it was worked on. By Little's law the two times stand to each other as the calls
that wait stand to those that are worked on. So nothing has to be guessed from latencies, which
change with the length of an answer:

- It begins with as many as the spec allows. The service bounds its own queue and refuses cheaply,
  saying when to come back, whereas a careful start would leave an engine idle for several answers'
  time, which on a large model is minutes.
- A refusal takes a fifth away, once for all the calls that were in flight together: the others tell
  of the same moment. A call that took its whole deadline while others were answered counts as a
  refusal; where nobody was answered, as a loss.
- A round is over when as many answers have come as may be in flight, all of them asked since the
  last change. Where fewer wait than are worked on, a round adds a quarter, but does not step over
  the place where the service last refused. Where more than twice as many wait, a round takes a
  tenth away. In between nothing changes: a queue of that size keeps every engine busy while answers
  and questions are on their way, and is what makes an autoscaler start another replica.
- Waits of a fraction of a second are no queue, whatever they are compared with.
- A lost engine or connection says nothing about how many calls there should be: the round begins
  again.
"""

from dataclasses import dataclass

_KEPT_AFTER_REFUSAL = 0.8
_KEPT_OF_QUEUE = 0.9
_GROWTH = 0.25
# Calls that wait for each one that is worked on.
_SHORT_QUEUE = 1.0
_LONG_QUEUE = 2.0
# Seconds that an answer waited, below which there is no short queue, or no long one.
_SHORT_WAIT_S = 0.25
_LONG_WAIT_S = 0.5


@dataclass(slots=True)
class _Round:
    """The answers since the last change, to questions that were asked after it."""

    answers: int = 0
    waited_s: float = 0.0
    served_s: float = 0.0


class ConcurrencyController:
    """Says how many questions of a model may be in flight. Pure: no clock, no event loop.

    Args:
        least: Never fewer, at least 1.
        most: Never more; what it begins with.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least = min(least, most)
        self._most = most
        self._limit = most
        self._refused_at = most + 1
        self._number = 0
        self._round = _Round()

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return self._limit

    def began(self) -> int:
        """Notes that a question is asked.

        Returns:
            The number of the round, to be given back with what comes of it.
        """
        return self._number

    def answered(self, number: int, waited_s: float, served_s: float) -> None:
        """Takes an answer.

        Args:
            number: What :meth:`began` gave.
            waited_s: How long the question waited for its turn, at the service and at the engine.
            served_s: How long the engine worked on it.
        """
        if number != self._number:
            return
        ended = self._round
        ended.answers += 1
        ended.waited_s += waited_s
        ended.served_s += served_s
        if ended.answers < self._limit:
            return
        mean_wait_s, mean_service_s = ended.waited_s / ended.answers, ended.served_s / ended.answers
        if mean_wait_s > max(_LONG_QUEUE * mean_service_s, _LONG_WAIT_S):
            self._change(min(self._limit - 1, int(self._limit * _KEPT_OF_QUEUE)))
        elif mean_wait_s < max(_SHORT_QUEUE * mean_service_s, _SHORT_WAIT_S):
            self._change(self._grown())
        else:
            self._round = _Round()

    def refused(self, number: int) -> None:
        """Takes a refusal, or a deadline that has passed; ``number`` is what ``began`` gave."""
        if number == self._number:
            self._refused_at = self._limit
            self._change(min(self._limit - 1, int(self._limit * _KEPT_AFTER_REFUSAL)))

    def lost(self) -> None:
        """Takes the loss of an engine or a connection."""
        self._round = _Round()

    def _grown(self) -> int:
        larger = self._limit + max(1, int(self._limit * _GROWTH))
        if self._limit >= self._refused_at:
            self._refused_at = self._most + 1  # what was refused there once is taken now
        # Up to one below the place of the last refusal in large steps, from there in small ones.
        return max(self._limit + 1, min(larger, self._refused_at - 1))

    def _change(self, limit: int) -> None:
        limit = max(self._least, min(self._most, limit))
        if limit != self._limit:
            self._number += 1  # what is in flight now tells of the limit before
        self._limit = limit
        self._round = _Round()
