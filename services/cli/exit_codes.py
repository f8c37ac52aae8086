"""The exit codes of the ``expart`` command, besides 0."""

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2

# 128 and a signal's number, as POSIX shells report a process that the signal ended.
EXIT_INTERRUPTED = 130  # SIGINT
EXIT_BROKEN_PIPE = 141  # SIGPIPE: the reader went away
