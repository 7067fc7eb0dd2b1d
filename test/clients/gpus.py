"""The GPUs of this machine as the driver itself counts them, without pnflow or CUDA's runtime."""

from __future__ import annotations

import ctypes


def gpus() -> list[tuple[str, int]]:
    """Name and bytes of memory of each; empty without a GPU or a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    found = []
    for index in range(count.value):
        device, name, size = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
        assert driver.cuDeviceGet(ctypes.byref(device), index) == 0
        assert driver.cuDeviceGetName(name, len(name), device) == 0
        assert driver.cuDeviceTotalMem_v2(ctypes.byref(size), device) == 0
        found.append((name.value.decode(), size.value))
    return found
