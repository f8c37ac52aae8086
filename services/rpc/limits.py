"""Limits of the wire, the same on both ends of a call."""

# gRPC's default receive limit is 4 MiB, less than many museum photographs.
MAX_MESSAGE_BYTES = 64 * 2**20

# Trailers share gRPC's 8 KiB metadata limit; a longer status would be dropped whole. The message
# travels twice, once with every byte that is not ASCII written as three.
MAX_ERROR_MESSAGE_BYTES = 800
MAX_ERROR_VALUE_BYTES = 200
MAX_ERROR_VALUES = 10

# A silent decode may last minutes. Clients may ping this often without a GOAWAY.
KEEPALIVE_TIME_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 20_000
MIN_PING_INTERVAL_MS = 10_000

# Anybody may check the health, and is not counted as a client. A check's request is a few bytes and
# its answer takes no time; who watches costs a little memory for as long as it lasts.
PROBE_IDLE_TIMEOUT_S = 5.0
PROBE_RETRY_AFTER_S = 5.0
MAX_PROBES = 300
MAX_HEALTH_WATCHES = 100
MAX_HEALTH_NAME_BYTES = 256
