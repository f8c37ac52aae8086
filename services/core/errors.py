"""Every error that the project raises on purpose.

::

    ExpArtError
    ├── UserInputError                 a file or option of the command line is wrong
    │   └── StorageError               or a disk or object store is full, away, or another's now
    └── ServiceError                   travels over gRPC; services.rpc.status has the codes
        ├── CallerError                the caller must change the request; never retried as it is
        │   ├── InvalidRequestError
        │   │   ├── ImageInvalidError
        │   │   ├── ImageTooLargeError
        │   │   ├── PromptTooLongError
        │   │   ├── UnsupportedParameterError
        │   │   └── MetricNotFoundError
        │   ├── ModelNotFoundError
        │   ├── ImageNotFoundError
        │   ├── RequestIdConflictError
        │   ├── UnauthenticatedError
        │   ├── PermissionDeniedError
        │   ├── MetricUnavailableError
        │   └── UnimplementedError
        ├── TransientError             the same request may succeed later
        │   ├── OverloadedError        says when
        │   ├── ModelLoadingError
        │   ├── ModelFailedError
        │   ├── DrainingError
        │   ├── EngineUnavailableError
        │   ├── GenerationAbortedError
        │   └── DeadlineExceededError
        └── InternalError              a fault of ours; details are in the log only
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class ErrorReason(StrEnum):
    """Stable names that clients branch on; the values of ``expart.common.v1.ErrorReason``."""

    INVALID_REQUEST = "INVALID_REQUEST"
    IMAGE_INVALID = "IMAGE_INVALID"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    PROMPT_TOO_LONG = "PROMPT_TOO_LONG"
    UNSUPPORTED_PARAMETER = "UNSUPPORTED_PARAMETER"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    IMAGE_NOT_FOUND = "IMAGE_NOT_FOUND"
    METRIC_NOT_FOUND = "METRIC_NOT_FOUND"
    REQUEST_ID_CONFLICT = "REQUEST_ID_CONFLICT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    OVERLOADED = "OVERLOADED"
    MODEL_LOADING = "MODEL_LOADING"
    MODEL_FAILED = "MODEL_FAILED"
    DRAINING = "DRAINING"
    ENGINE_UNAVAILABLE = "ENGINE_UNAVAILABLE"
    GENERATION_ABORTED = "GENERATION_ABORTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    METRIC_UNAVAILABLE = "METRIC_UNAVAILABLE"
    INTERNAL = "INTERNAL"
    UNIMPLEMENTED = "UNIMPLEMENTED"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that is wrong.

    Attributes:
        field: Path of the field as the proto spells it, such as ``sampling.top_p``.
        description: What is wrong and what is allowed.
    """

    field: str
    description: str


class ExpArtError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: One line for people: what is wrong and what to do.
        metadata: The values that the message mentions, by name.
    """

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata

    def __reduce__(self) -> tuple[object, ...]:
        """Keeps keyword-only state when the error crosses a process."""
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(kind: type[ExpArtError], message: str, state: dict[str, object]) -> ExpArtError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class UserInputError(ExpArtError):
    """A file or an option that a person gave is wrong; the command ends with exit code 2."""


class StorageError(UserInputError):
    """Storage fails though what it was asked is right; the command ends with exit code 1.

    It is full or does not answer, or another program has taken over what this one was writing: the
    same command may succeed later.
    """


class ServiceError(ExpArtError):
    """Base of the errors that a service answers with.

    Attributes:
        reason: Stable name of the failure.
        retryable: Whether the very same request may succeed later.
    """

    reason: ClassVar[ErrorReason]
    retryable: ClassVar[bool]


class CallerError(ServiceError):
    """The caller must change the request."""

    retryable = False


class InvalidRequestError(CallerError):
    """A field is missing, malformed or out of range.

    Args:
        message: One line for people.
        violations: The fields that are wrong.
        metadata: The values that the message mentions, by name.
    """

    reason = ErrorReason.INVALID_REQUEST

    def __init__(
        self, message: str, *, violations: tuple[FieldViolation, ...] = (), **metadata: str
    ) -> None:
        super().__init__(message, **metadata)
        self.violations = violations


class ImageInvalidError(InvalidRequestError):
    """The image cannot be decoded, or is no supported format."""

    reason = ErrorReason.IMAGE_INVALID


class ImageTooLargeError(InvalidRequestError):
    """The image exceeds the limit on bytes or pixels."""

    reason = ErrorReason.IMAGE_TOO_LARGE


class PromptTooLongError(InvalidRequestError):
    """Prompt and image need more tokens than the model's context holds."""

    reason = ErrorReason.PROMPT_TOO_LONG


class UnsupportedParameterError(InvalidRequestError):
    """This model or engine cannot honour a parameter that was set."""

    reason = ErrorReason.UNSUPPORTED_PARAMETER


class MetricNotFoundError(InvalidRequestError):
    """No metric has this name."""

    reason = ErrorReason.METRIC_NOT_FOUND


class ModelNotFoundError(CallerError):
    """No model, or no adapter of that model, has this name."""

    reason = ErrorReason.MODEL_NOT_FOUND


class ImageNotFoundError(CallerError):
    """The service does not hold an image with this digest."""

    reason = ErrorReason.IMAGE_NOT_FOUND


class RequestIdConflictError(CallerError):
    """The request_id was used before with another body."""

    reason = ErrorReason.REQUEST_ID_CONFLICT


class UnauthenticatedError(CallerError):
    """No valid credentials came with the call."""

    reason = ErrorReason.UNAUTHENTICATED


class PermissionDeniedError(CallerError):
    """The caller may not do this."""

    reason = ErrorReason.PERMISSION_DENIED


class MetricUnavailableError(CallerError):
    """The metric needs something that this service was not configured with."""

    reason = ErrorReason.METRIC_UNAVAILABLE


class UnimplementedError(CallerError):
    """The method is part of the contract and not served by this version."""

    reason = ErrorReason.UNIMPLEMENTED


class TransientError(ServiceError):
    """The same request may succeed later."""

    retryable = True


class OverloadedError(TransientError):
    """A queue, byte or rate limit is reached.

    Args:
        message: One line for people.
        retry_after_s: Seconds after which to try again, above 0.
        metadata: The values that the message mentions, by name.
    """

    reason = ErrorReason.OVERLOADED

    def __init__(self, message: str, *, retry_after_s: float = 1.0, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.retry_after_s = retry_after_s


class ModelLoadingError(TransientError):
    """The model is being loaded."""

    reason = ErrorReason.MODEL_LOADING


class ModelFailedError(TransientError):
    """The model could not be loaded."""

    reason = ErrorReason.MODEL_FAILED


class DrainingError(TransientError):
    """The service is shutting down; another instance may serve the call."""

    reason = ErrorReason.DRAINING


class EngineUnavailableError(TransientError):
    """The engine was lost before it produced a token."""

    reason = ErrorReason.ENGINE_UNAVAILABLE


class GenerationAbortedError(TransientError):
    """The engine was lost after it produced a token; the whole request may be sent again."""

    reason = ErrorReason.GENERATION_ABORTED


class DeadlineExceededError(TransientError):
    """The call's deadline passed."""

    reason = ErrorReason.DEADLINE_EXCEEDED


class InternalError(ServiceError):
    """A fault of the service; details are in its log under the request_id."""

    reason = ErrorReason.INTERNAL
    retryable = False


def service_error_classes() -> dict[ErrorReason, type[ServiceError]]:
    """Maps every reason to the class that carries it."""
    found: dict[ErrorReason, type[ServiceError]] = {}
    waiting: list[type[ServiceError]] = [ServiceError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if "reason" in vars(kind):
            found[kind.reason] = kind
    return found
