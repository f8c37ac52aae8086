"""The metrics that every server has of its calls: declared, and counted at each call."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.telemetry.declarations import (
    Buckets,
    MetricDeclaration,
    Values,
    counter,
    gauge,
    histogram,
)
from services.telemetry.instruments import Metrics

# Callers may make up names of methods; all that are not served count as one.
OTHER_METHODS = "other"

# From a health check to a generation that takes as long as any may.
CALL_BOUNDS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 150.0, 300.0, 600.0),
)

_Decode = Callable[[bytes], object]
_Encode = Callable[[object], bytes]


@dataclass(frozen=True, slots=True)
class CallDeclarations:
    """What is told of the calls of one service."""

    calls: MetricDeclaration
    seconds: MetricDeclaration
    in_flight: MetricDeclaration
    rejected: MetricDeclaration
    request_bytes: MetricDeclaration
    response_bytes: MetricDeclaration
    certificate_expiry: MetricDeclaration
    draining: MetricDeclaration

    @classmethod
    def of(cls, service: str) -> "CallDeclarations":
        """Declares them for a service: ``generation`` or ``scoring``."""
        prefix = f"expart_{service}_"
        return cls(
            calls=counter(
                prefix + "calls_total",
                "Calls that ended, by the name of the rpc and of the gRPC code.",
                *("method", "code"),
            ),
            seconds=histogram(
                prefix + "call_seconds",
                "Seconds from a call's arrival to its end; of a stream, as long as it was open.",
                "method",
                bounds=CALL_BOUNDS_S,
            ),
            in_flight=gauge(
                prefix + "calls_in_flight", "Calls that have begun and not ended.", "method"
            ),
            rejected=counter(
                prefix + "calls_rejected_total",
                "Calls that were refused, by the reason of their ErrorInfo.",
                "reason",
            ),
            request_bytes=counter(
                prefix + "request_bytes_total", "Bytes of the requests that were read.", "method"
            ),
            response_bytes=counter(
                prefix + "response_bytes_total", "Bytes of the responses.", "method"
            ),
            certificate_expiry=gauge(
                prefix + "certificate_expiry_timestamp_seconds",
                "When the server's certificate expires, in Unix time; absent without TLS.",
            ),
            draining=gauge(
                prefix + "draining", "1 while the server ends its calls and takes no new ones."
            ),
        )


class MethodCounts:
    """What has happened at one method. Attributes and not labels: a call costs a microsecond."""

    __slots__ = (
        "_buckets",
        "_codes",
        "_decoders",
        "_encoders",
        "_request_bytes",
        "_response_bytes",
        "_seconds",
        "in_flight",
    )

    def __init__(self, codes: Iterable[str] = ()) -> None:
        self.in_flight = 0
        self._codes: dict[str, int] = dict.fromkeys(codes, 0)
        self._buckets = [0] * (len(CALL_BOUNDS_S) + 1)
        self._seconds = 0.0
        self._request_bytes = self._response_bytes = 0
        self._decoders: dict[_Decode, _Decode] = {}
        self._encoders: dict[_Encode, _Encode] = {}

    def ended(self, code: str, duration_s: float) -> None:
        """Counts a call that was in flight."""
        self.in_flight -= 1
        self._codes[code] = self._codes.get(code, 0) + 1
        self._buckets[bisect_left(CALL_BOUNDS_S, duration_s)] += 1
        self._seconds += duration_s

    def decoding(self, decode: _Decode) -> _Decode:
        """Gives a function that decodes a request and counts its bytes; always the same one."""
        if decode not in self._decoders:

            def counted(data: bytes) -> object:
                self._request_bytes += len(data)
                return decode(data)

            self._decoders[decode] = counted
        return self._decoders[decode]

    def encoding(self, encode: _Encode) -> _Encode:
        """Gives a function that encodes a response and counts its bytes; always the same one."""
        if encode not in self._encoders:

            def counted(message: object) -> bytes:
                data = encode(message)
                self._response_bytes += len(data)
                return data

            self._encoders[encode] = counted
        return self._encoders[encode]

    @property
    def codes(self) -> dict[str, int]:
        """Calls that ended, by the name of their code."""
        return self._codes.copy()

    @property
    def durations(self) -> Buckets:
        """How long they took."""
        return Buckets.of(CALL_BOUNDS_S, self._buckets.copy(), self._seconds)

    @property
    def request_bytes(self) -> int:
        """Bytes of the requests."""
        return self._request_bytes

    @property
    def response_bytes(self) -> int:
        """Bytes of the responses."""
        return self._response_bytes


class CallMetrics:
    """Counts the calls of one server.

    Args:
        metrics: Where Prometheus finds the counts.
        service: ``generation`` or ``scoring``.
        methods: Full names of the methods that are served.
        codes: Names of the gRPC codes that are shown from 0 on.
        reasons: Reasons of refusals; calls that end with any other were not refused.
    """

    def __init__(
        self,
        metrics: Metrics,
        service: str,
        *,
        methods: Iterable[str],
        codes: Iterable[str],
        reasons: Iterable[str],
    ) -> None:
        declared = CallDeclarations.of(service)
        self._metrics = metrics
        self._declared = declared
        shown_codes = tuple(codes)
        self._other = MethodCounts()
        self._shown = {OTHER_METHODS: self._other}
        # Methods of one name in two services are one to the label, and so to the counts.
        self._counts = {
            name: self._shown.setdefault(name.rpartition("/")[2], MethodCounts(shown_codes))
            for name in methods
        }
        self._reasons = frozenset(reasons)
        self._rejected = metrics.counter(declared.rejected)
        for reason in self._reasons:
            self._rejected.begin(reason)
        metrics.watch(declared.calls, self._calls)
        metrics.watch(declared.seconds, lambda: self._by_method(lambda one: one.durations))
        metrics.watch(declared.in_flight, lambda: self._by_method(lambda one: one.in_flight))
        metrics.watch(
            declared.request_bytes, lambda: self._by_method(lambda one: one.request_bytes)
        )
        metrics.watch(
            declared.response_bytes, lambda: self._by_method(lambda one: one.response_bytes)
        )

    def of(self, method: str) -> MethodCounts:
        """Gives the counts of a method, by its full name."""
        return self._counts.get(method, self._other)

    def refused(self, reason: str) -> None:
        """Counts an error's reason, if it is a refusal."""
        if reason in self._reasons:
            self._rejected.add(reason)

    def watch_draining(self, is_draining: Callable[[], bool]) -> None:
        """Shows whether the server drains."""
        self._metrics.watch(self._declared.draining, lambda: {(): float(is_draining())})

    def watch_certificate(self, expires_at: Callable[[], float]) -> None:
        """Shows when the server's certificate expires, in Unix time."""
        self._metrics.watch(self._declared.certificate_expiry, lambda: {(): expires_at()})

    def _calls(self) -> Values:
        return {
            (method, code): float(count)
            for method, counts in self._shown.items()
            for code, count in counts.codes.items()
        }

    def _by_method(self, value: Callable[[MethodCounts], float | Buckets]) -> Values:
        return {(method,): value(counts) for method, counts in self._shown.items()}
