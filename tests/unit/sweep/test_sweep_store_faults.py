"""What is told of an object store's faults. The texts are what the libraries said when tried."""

import pytest

from services.sweep.results.store_faults import is_disk_fault, is_refusal, said_by

DOWN = (
    "Generic S3 error: Error performing list request: Error performing GET "
    "http://127.0.0.1:1/results?delimiter=%2F in 443ms, after 3 retries - HTTP error: error "
    "sending request\n\nDebug source:\nGeneric { store: 'S3' }"
)
DOWN_IN_COLOUR = (
    "Kernel error -> Generic S3 error\n \x1b[31m↳\x1b[0m Error performing GET "
    "http://127.0.0.1:1/results/_last_checkpoint in 1ms - HTTP error\n \x1b[31m↳\x1b[0m error "
    "sending request\n  \x1b[31m↳\x1b[0m Connection refused (os error 111)"
)
WRONG_KEY = (
    "Generic S3 error: Error performing GET https://s3.example/results in 1ms - Server returned "
    "non-2xx status code: 403 Forbidden: <?xml version='1.0'?> <Error><Code>InvalidAccessKeyId"
    "</Code><Message>The key does not exist.</Message><RequestId>1</RequestId></Error>"
)
NO_KEY = (
    "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1ms - "
    "Server returned non-2xx status code: 403 Forbidden: denied"
)
NO_TLS = (
    "Generic S3 error: Error performing GET http://127.0.0.1:9000/results in 33µs - HTTP error: "
    "builder error"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DOWN, "the object store at http://127.0.0.1:1 cannot be reached: check the endpoint"),
        (
            DOWN_IN_COLOUR,
            "the object store at http://127.0.0.1:1 cannot be reached: check the endpoint",
        ),
        (
            WRONG_KEY,
            "the object store refuses these credentials (InvalidAccessKeyId: The key does not "
            "exist): check them, and what they may do with this bucket",
        ),
        (
            NO_KEY,
            "the object store's credentials are not in the environment (for s3:// "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), and this machine has none of its own",
        ),
        (
            NO_TLS,
            "the object store's endpoint http://127.0.0.1:9000 has no TLS: set "
            "AWS_ALLOW_HTTP=true if that is meant",
        ),
        ("<Code>NoSuchBucket</Code>", "there is no such bucket"),
        ("disk\n  is \x1b[31mfull\x1b[0m", "disk is full"),
    ],
)
def test_what_a_library_says_becomes_one_line_that_tells_what_to_do(text: str, said: str) -> None:
    assert said_by(OSError(text)) == said


def test_only_what_the_store_itself_refuses_is_a_refusal() -> None:
    assert is_refusal(OSError(WRONG_KEY))
    assert not is_refusal(OSError(DOWN))


def test_a_full_disk_is_a_fault_of_the_disk_and_a_forbidden_folder_is_none() -> None:
    assert is_disk_fault(OSError(28, "No space left on device"))
    # As the library of the tables says it.
    assert is_disk_fault(OSError("Unable to copy data to file: No space left (os error 28)"))
    assert not is_disk_fault(OSError(13, "Permission denied"))
    assert not is_disk_fault(OSError("Generic S3 error"))
