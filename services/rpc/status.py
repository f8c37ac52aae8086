"""The one table between our errors and gRPC's status codes, and both directions through it."""

import math
import re

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from services.core.errors import (
    ErrorReason,
    FieldViolation,
    InternalError,
    InvalidRequestError,
    ModelFailedError,
    OverloadedError,
    ServiceError,
    UnauthenticatedError,
    service_error_classes,
)
from services.rpc.limits import (
    MAX_ERROR_MESSAGE_BYTES,
    MAX_ERROR_VALUE_BYTES,
    MAX_ERROR_VALUES,
)

ERROR_DOMAIN = "expart"

STATUS_CODES: dict[ErrorReason, grpc.StatusCode] = {
    ErrorReason.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.IMAGE_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.IMAGE_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.PROMPT_TOO_LONG: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.UNSUPPORTED_PARAMETER: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.METRIC_NOT_FOUND: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.MODEL_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.IMAGE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.REQUEST_ID_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorReason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorReason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.MODEL_LOADING: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.MODEL_FAILED: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.DRAINING: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.ENGINE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.GENERATION_ABORTED: grpc.StatusCode.ABORTED,
    ErrorReason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorReason.METRIC_UNAVAILABLE: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.INTERNAL: grpc.StatusCode.INTERNAL,
    ErrorReason.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
}

# What a bare code means when the answer did not come from our servers: gRPC itself, or a proxy.
_REASONS_OF_BARE_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: ErrorReason.INVALID_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: ErrorReason.INVALID_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: ErrorReason.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: ErrorReason.PERMISSION_DENIED,
    # gRPC's own word for a message or metadata above its limit; repeating would not help.
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorReason.INVALID_REQUEST,
    grpc.StatusCode.UNAVAILABLE: ErrorReason.ENGINE_UNAVAILABLE,
    # Broken connections and proxies; our servers' own INTERNAL carries an ErrorInfo.
    grpc.StatusCode.INTERNAL: ErrorReason.ENGINE_UNAVAILABLE,
    grpc.StatusCode.UNKNOWN: ErrorReason.ENGINE_UNAVAILABLE,
    grpc.StatusCode.ABORTED: ErrorReason.GENERATION_ABORTED,
    grpc.StatusCode.CANCELLED: ErrorReason.GENERATION_ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorReason.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED: ErrorReason.UNIMPLEMENTED,
}


# What gRPC (grpcio 1.85) says when two ends cannot agree on a connection. Each of these lasts until
# somebody changes a setting, whereas gRPC's code for them, UNAVAILABLE, asks to try again.
_UNTRUSTED = (
    "the service's certificate is not trusted here: name the authority that it is from "
    "(expart: --tls-ca)"
)
_HANDSHAKE_FAULTS = {
    "CERTIFICATE_VERIFY_FAILED": _UNTRUSTED,
    "certificate signature failure": _UNTRUSTED,  # another authority of the same name
    "Hostname Verification Check failed": (
        "the service's certificate is not for the address that was called: call the name that it "
        "is for, or say that name (expart: --tls-server-name)"
    ),
    "WRONG_VERSION_NUMBER": (
        "the service does not speak TLS at this address: call it without, or look at the port"
    ),
}
# A server that wants TLS or a certificate hangs up without a word, as one that restarts does.
_CLOSED_AT_ONCE = re.compile(r"failed to connect to all addresses.*(Socket closed|reset by peer)")
_CLOSED_AT_ONCE_HINT = (
    "; does the service ask for TLS or for a client's certificate? (expart: --tls-ca, "
    "--tls-certificate and --tls-key)"
)


def status_code_of(error: ServiceError) -> grpc.StatusCode:
    """Gives the gRPC code that an error answers with."""
    return STATUS_CODES[error.reason]


def to_rpc_status(error: BaseException) -> status_pb2.Status:
    """Turns an error into the status that a client receives.

    The status holds exactly one ErrorInfo, a BadRequest where fields are wrong, and a RetryInfo
    where the error says when to try again. An error that is none of ours becomes INTERNAL and
    gives nothing of itself away.
    """
    if not isinstance(error, ServiceError):
        error = InternalError("internal error; the service's log has the details")
    code: int = status_code_of(error).value[0]
    status = status_pb2.Status(code=code, message=_cut(error.message, MAX_ERROR_MESSAGE_BYTES))
    info = error_details_pb2.ErrorInfo(
        reason=error.reason.value,
        domain=ERROR_DOMAIN,
        metadata={
            name: _cut(value, MAX_ERROR_VALUE_BYTES)
            for name, value in list(error.metadata.items())[:MAX_ERROR_VALUES]
        },
    )
    _attach(status, info)
    if isinstance(error, InvalidRequestError) and error.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations[:MAX_ERROR_VALUES]:
            bad_request.field_violations.add(
                field=_cut(violation.field, MAX_ERROR_VALUE_BYTES),
                description=_cut(violation.description, MAX_ERROR_VALUE_BYTES),
            )
        _attach(status, bad_request)
    if isinstance(error, OverloadedError):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        _attach(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def retry_pushback(error: ServiceError) -> tuple[tuple[str, str], ...]:
    """Gives the trailer that tells gRPC's built-in retries when to try again, if at all.

    A client whose service config retries the error's code waits as long as RetryInfo says before
    its next attempt, in place of its own backoff. A model that could not be loaded will not be
    there in a moment either, so it is not asked again. Source: gRFC A6.
    """
    if isinstance(error, ModelFailedError):
        return (("grpc-retry-pushback-ms", "-1"),)
    if not isinstance(error, OverloadedError):
        return ()
    return (("grpc-retry-pushback-ms", str(math.ceil(error.retry_after_s * 1000))),)


def error_from_rpc(failure: aio.AioRpcError | grpc.Call) -> ServiceError:
    """Turns what a gRPC client raised back into the error that the service meant.

    A status without our ErrorInfo (from gRPC itself, or from a proxy) is judged by its code.
    """
    status = rpc_status.from_call(failure)
    if status is not None:
        info = error_details_pb2.ErrorInfo()
        for detail in status.details:
            if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                return _rebuild(status, info)
    details = failure.details() or ""
    for sign, meaning in _HANDSHAKE_FAULTS.items():
        if sign in details:
            return UnauthenticatedError(meaning)
    if _CLOSED_AT_ONCE.search(details):
        details += _CLOSED_AT_ONCE_HINT
    reason = _REASONS_OF_BARE_CODES.get(failure.code(), ErrorReason.INTERNAL)
    return service_error_classes()[reason](f"{failure.code().name}: {details}")


def _cut(text: str, most_bytes: int) -> str:
    """Shortens a text to so many bytes of UTF-8, between characters."""
    return text.encode()[:most_bytes].decode(errors="ignore")


def _attach(
    status: status_pb2.Status,
    detail: (
        error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo
    ),
) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def _rebuild(status: status_pb2.Status, info: error_details_pb2.ErrorInfo) -> ServiceError:
    try:
        kind = service_error_classes()[ErrorReason(info.reason)]
    except ValueError:
        # A newer server may know reasons that this client does not.
        return InternalError(f"{info.reason}: {status.message}", **info.metadata)
    metadata = dict(info.metadata)
    if issubclass(kind, InvalidRequestError):
        return kind(status.message, violations=_violations(status), **metadata)
    if issubclass(kind, OverloadedError):
        return kind(status.message, retry_after_s=_retry_after_s(status), **metadata)
    return kind(status.message, **metadata)


def _violations(status: status_pb2.Status) -> tuple[FieldViolation, ...]:
    bad_request = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(bad_request):
            return tuple(
                FieldViolation(item.field, item.description)
                for item in bad_request.field_violations
            )
    return ()


def _retry_after_s(status: status_pb2.Status) -> float:
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToNanoseconds()) / 1e9
    return 1.0
