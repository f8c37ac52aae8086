"""Addresses of services."""

from ipaddress import ip_address


def is_loopback(address: str) -> bool:
    """Whether what is sent to an address stays on this machine.

    >>> is_loopback("127.0.0.1:50051"), is_loopback("dns:///localhost:50051")
    (True, True)
    >>> is_loopback("unix:/run/scoring.sock"), is_loopback("[::1]:50051")
    (True, True)
    >>> is_loopback("0.0.0.0:50051"), is_loopback("ipv4:192.0.2.7:50051")
    (False, False)

    Args:
        address: ``host:port`` or another target of gRPC's.
    """
    scheme, _, rest = address.partition(":")
    if scheme in {"unix", "unix-abstract", "vsock"}:
        return True
    target = rest if scheme in {"dns", "ipv4", "ipv6"} else address
    host = target.rpartition("/")[2].rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
