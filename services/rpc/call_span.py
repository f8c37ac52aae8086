"""Calls as spans: what is told of one, on either side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from services.core.errors import ServiceError
from services.rpc.conversation import Conversation
from services.rpc.gate import is_probe
from services.rpc.status import status_code_of
from services.telemetry import tracer
from services.telemetry.propagation import Origin, come_from, in_trace, read_origin
from services.telemetry.tracer import OpenSpan
from services.telemetry.tracing import Attribute, Attributes, Span

if TYPE_CHECKING:
    from grpc import aio

    Context = aio.ServicerContext[object, object]

_GRPC = "grpc"
_OTHER_METHOD = "_OTHER"
_MAX_METHOD_CHARS = 200
# Faults of the server; of what else a call may end with, its caller is the cause. Source: the
# semantic conventions for gRPC.
_SERVER_FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
_OK = "OK"
_CANCELLED = "CANCELLED"


def begin_served_call(method: str, context: Context, *, is_known: bool) -> OpenSpan:
    """Makes the current task part of the trace that a call came from, and begins the call's span.

    Args:
        method: Full name of the method, with a slash before it.
        context: The call.
        is_known: Whether there is such a method.
    """
    origin = read_origin(context.invocation_metadata() or ())
    come_from(origin)
    if not tracer.is_tracing() or is_probe(method):
        return tracer.NO_SPAN
    name = method.removeprefix("/")[:_MAX_METHOD_CHARS]
    attributes: Attributes = {Attribute.RPC_SYSTEM: _GRPC, Attribute.RPC_METHOD: name}
    if not is_known:
        # Callers may make up names: a span's own name must be one of a few.
        attributes = {
            Attribute.RPC_SYSTEM: _GRPC,
            Attribute.RPC_METHOD: _OTHER_METHOD,
            Attribute.RPC_METHOD_ORIGINAL: name,
        }
        name = _OTHER_METHOD
    opened = tracer.start(Span.SERVED_CALL, attributes, name=name)
    if origin.sweep:
        opened.set({Attribute.SWEEP: origin.sweep})
    come_from(Origin(opened.trace))
    return opened


def end_served_call(opened: OpenSpan, code: str, reason: str, talk: Conversation | None) -> None:
    """Ends a call's span.

    Args:
        opened: The span.
        code: Name of the gRPC status that the call ends with.
        reason: The error's name, if it ends with one of ours.
        talk: What was said in the call, where it came to that.
    """
    if opened is tracer.NO_SPAN:
        return
    opened.set({Attribute.RPC_STATUS: code})
    if talk is not None and talk.request_id:
        opened.set({Attribute.REQUEST_ID: talk.request_id})
    if talk is not None and talk.model:
        opened.set({Attribute.MODEL: talk.model})
    if code == _CANCELLED:
        opened.set({Attribute.CANCELLED: True})
    elif code in _SERVER_FAULTS:
        opened.fail(reason or code)
    elif code != _OK:
        opened.set({Attribute.ERROR_TYPE: reason or code})
    opened.end()


@contextmanager
def calling(method: str) -> Iterator[None]:
    """Records a block that makes a call as the call's span; not for generators.

    Args:
        method: As for :func:`begin_call`.
    """
    opened = begin_call(method)
    if opened is tracer.NO_SPAN:
        yield
        return
    with in_trace(opened.trace), ending_call(opened):
        yield


def begin_call(method: str) -> OpenSpan:
    """Begins the span of a call that is about to be made, to be ended by :func:`ending_call`.

    Args:
        method: Full name of the method, without a slash before it.
    """
    if not tracer.is_tracing():
        return tracer.NO_SPAN
    attributes = {Attribute.RPC_SYSTEM: _GRPC, Attribute.RPC_METHOD: method}
    return tracer.start(Span.CALL, attributes, name=method)


@contextmanager
def ending_call(opened: OpenSpan) -> Iterator[None]:
    """Ends a call's span with the block; what the block raises says how the call ended.

    Fit for generators.
    """
    if opened is tracer.NO_SPAN:
        yield
        return
    with opened:
        try:
            yield
        except ServiceError as error:
            opened.set({Attribute.RPC_STATUS: status_code_of(error).name})
            raise
        except grpc.RpcError as error:
            code = error.code()
            opened.set({Attribute.RPC_STATUS: code.name})
            raise
        else:
            opened.set({Attribute.RPC_STATUS: _OK})
