"""Vectors as packed bytes, from and to whatever holds them.

A vector may be anything with the buffer protocol (numpy arrays, array.array,
memoryview), anything with `__array__` (tensors, pandas series), or a sequence
of numbers. What is binary32 in memory already is copied once, as bytes. Plain
bytes are taken to be packed binary32, little-endian.
"""

from __future__ import annotations

import array
import struct
import sys
from typing import Any

from .errors import InvalidError

numpy: Any
try:
    import numpy
except ImportError:  # an extra
    numpy = None

_SWAP = sys.byteorder == "big"


def pack(vector: Any, half: bool = False, field: str = "vector") -> bytes:
    """Return the components as binary32 (or, with half, binary16), little-endian."""
    if numpy is not None:
        if type(vector) is not numpy.ndarray:
            if isinstance(vector, (bytes, bytearray)):
                return _packed_already(vector, half, field)
            if not hasattr(vector, "__array__"):
                return _pack_plain(vector, half, field)
        try:
            flat = numpy.asarray(vector, dtype="<f2" if half else "<f4")
        except (TypeError, ValueError) as err:
            raise InvalidError(f"{field} cannot be read as numbers: {err}", field=field) from None
        if flat.ndim != 1:
            raise InvalidError(f"{field} has the shape {flat.shape}; it has to have one axis", field=field)
        data: bytes = flat.tobytes()
        return data
    if isinstance(vector, (bytes, bytearray)):
        return _packed_already(vector, half, field)
    return _pack_plain(vector, half, field)


def _packed_already(vector: bytes | bytearray, half: bool, field: str) -> bytes:
    if len(vector) % 4:
        raise InvalidError(f"{field} has {len(vector)} bytes; binary32 has a multiple of 4", field=field)
    if half:
        return _halves(array.array("f", bytes(vector)), field)
    return bytes(vector)


def _pack_plain(vector: Any, half: bool, field: str) -> bytes:
    try:
        view = memoryview(vector)
    except TypeError:
        view = None
    if view is not None and view.ndim != 1:
        raise InvalidError(f"{field} has {view.ndim} axes; it has to have one", field=field)
    if view is not None and view.format in ("f", "<f" if not _SWAP else ">f") and not half and not _SWAP:
        return view.tobytes()
    try:
        numbers = array.array("f", vector if view is None else view)
    except (TypeError, ValueError, OverflowError, NotImplementedError) as err:
        raise InvalidError(f"{field} cannot be read as numbers: {err}", field=field) from None
    if half:
        return _halves(numbers, field)
    if _SWAP:
        numbers.byteswap()
    return numbers.tobytes()


def _halves(numbers: array.array[float], field: str) -> bytes:
    try:
        return struct.pack(f"<{len(numbers)}e", *numbers)
    except OverflowError:
        raise InvalidError(f"{field} has a component beyond ±65504, which binary16 cannot hold", field=field) from None


def unpack(data: bytes, half: bool = False) -> Any:
    """Return a vector read from packed bytes.

    With numpy it is a read-only float32 array, without it an array.array("f").
    """
    if numpy is not None:
        flat = numpy.frombuffer(data, dtype="<f2" if half else "<f4")
        return flat.astype("=f4") if half or _SWAP else flat
    if half:
        return array.array("f", struct.unpack(f"<{len(data) // 2}e", data))
    numbers = array.array("f", data)
    if _SWAP:
        numbers.byteswap()
    return numbers


def from_values(values: Any) -> Any:
    """Return a vector that was sent as numbers."""
    if numpy is not None:
        return numpy.asarray(values, dtype="f4")
    return array.array("f", values)


def rows(vectors: Any, start: int, stop: int, half: bool = False, field: str = "vectors") -> list[Any]:
    """Return the packed bytes, or views of them, of some rows of a matrix.

    What has two axes is converted for all these rows at once and cut into
    views; anything else has to be a sequence of vectors.
    """
    part = vectors[start:stop]
    if numpy is not None and getattr(part, "ndim", 1) == 2 and hasattr(part, "__array__"):
        try:
            data = memoryview(numpy.asarray(part, dtype="<f2" if half else "<f4").tobytes())
        except (TypeError, ValueError) as err:
            raise InvalidError(f"{field} cannot be read as numbers: {err}", field=field) from None
        count = stop - start
        size = len(data) // count if count else 0
        return [data[i : i + size] for i in range(0, len(data), size)] if size else [data] * count
    return [pack(v, half, f"{field}[{i}]") for i, v in enumerate(part, start)]
