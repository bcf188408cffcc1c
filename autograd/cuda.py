"""The questions scripts ask before they choose a device; there is no CUDA here."""


def is_available() -> bool:
    """Return False: tensors live on the CPU."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0
