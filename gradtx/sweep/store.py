"""Arrays and plain data in one file: replaced as a whole or not at all, read without pickle."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np


def write(path: str | os.PathLike[str], kind: str, data: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a file beside the old one and puts it in its place.

    Raises:
        OSError: the disk is full or can't be written to; the old file is untouched.
    """
    path = pathlib.Path(path)
    kinds = {n: [a.dtype.name, list(a.shape)] for n, a in arrays.items()}
    head = json.dumps({"format": "gradtx " + kind, "version": 1, "data": data, "arrays": kinds})
    # As bytes: NumPy's own format doesn't know bfloat16.
    raw = {f"a{i}": np.frombuffer(np.ascontiguousarray(a).tobytes(), np.uint8) for i, a in enumerate(arrays.values())}
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            np.savez(file, head=np.frombuffer(head.encode(), np.uint8), **raw)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise OSError(
                error.errno, f"{path} could not be written ({error.strerror}); what was there is untouched"
            ) from error
        raise


def read(path: str | os.PathLike[str], kind: str) -> tuple[Any, dict[str, np.ndarray]]:
    """What `write` wrote.

    Raises:
        ValueError: the file is cut off, corrupt, or something else.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            if head["format"] != "gradtx " + kind or head["version"] != 1:
                raise ValueError(f"it is {head['format']!r}, version {head['version']}, not 'gradtx {kind}', version 1")
            arrays = {
                n: np.frombuffer(file[f"a{i}"].tobytes(), jnp.dtype(dtype)).reshape(shape)
                for i, (n, (dtype, shape)) in enumerate(head["arrays"].items())
            }
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is corrupt or no file of a gradtx {kind}: {error}. It was left as it is.") from error
    return head["data"], arrays
