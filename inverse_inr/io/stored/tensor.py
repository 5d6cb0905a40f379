"""`StoredTensor`: measurements that stay in a file, and are read in blocks by a thread."""

# pyright: reportPrivateImportUsage=false
from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.devices import CPU, sent
from inverse_inr.io.files import FileFormatError
from inverse_inr.io.stored.sources import Source
from inverse_inr.row_sets import TOGETHER

ROWS_A_BLOCK = 2**16
"""Measurements of a block, about: enough to be read at speed, few enough for many to be kept."""


class Blocks:
    """The blocks of a file, of which the latest are kept; one thread reads them all.

    Args:
        source: The file.
        values: Values of a block.
        kept: The most blocks that are kept.
        reopen: Opens the file in another process.
    """

    def __init__(
        self, source: Source, values: int, kept: int, reopen: Callable[[], StoredTensor]
    ) -> None:
        self.reopen = reopen
        self.source = source
        self.values = values
        self.kept = kept
        self.total = math.prod(source.shape)
        self._found: OrderedDict[int, Future[np.ndarray]] = OrderedDict()
        self._thread: ThreadPoolExecutor | None = None

    def ask(self, number: int) -> Future[np.ndarray]:
        """Have a block read, unless it is there or on its way."""
        if number in self._found:
            self._found.move_to_end(number)
            return self._found[number]
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "measurements")
        self._found[number] = self._thread.submit(self._read, number)
        while len(self._found) > self.kept:
            self._found.popitem(last=False)
        return self._found[number]

    def get(self, number: int) -> np.ndarray:
        """Read a block, or wait until it is there; one that failed is tried again."""
        asked = self.ask(number)
        try:
            return asked.result()
        except Exception:
            self._found.pop(number, None)
            raise

    def _read(self, number: int) -> np.ndarray:
        start = number * self.values
        try:
            return self.source.read(start, min(start + self.values, self.total))
        except (FileFormatError, MemoryError):
            raise
        except Exception as error:  # h5py raises anything for a file that is closed or damaged
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise FileFormatError(
                f"{self.source.path}: values {start} and after cannot be read ({reason}). Closed, "
                "cut or altered while they are in use?"
            ) from None

    def close(self) -> None:
        """Forget what was read, and close the file."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
        self._found.clear()
        self.source.close()


class StoredTensor(Tensor):
    """A tensor whose values stay in a file: `y[rows]` reads them, and nothing else can be asked.

    Made by `stored_array`. It takes the place of measurements in a `Term`; the solver then shuffles
    rows within blocks and has the blocks of the next steps read beside its work.
    """

    blocks: Blocks
    block: int
    checked_by: object

    @staticmethod
    def __new__(
        cls, blocks: Blocks, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device = CPU
    ) -> StoredTensor:
        made = torch.Tensor._make_wrapper_subclass(cls, shape, dtype=dtype, device=device)
        made.blocks = blocks
        made.block = blocks.values // max(1, math.prod(shape[1:]))
        made.checked_by = None
        return made

    def __getitem__(self, index: Any) -> Tensor:
        """Read rows: by a (b,) tensor of their numbers, or by a slice."""
        if isinstance(index, slice):
            index = torch.arange(*index.indices(len(self)))
        if not isinstance(index, Tensor) or index.dtype != torch.int64 or index.ndim != 1:
            raise TypeError(
                f"{self.blocks.source.path}: measurements on disk are read by a slice or by a "
                "tensor of row numbers, y[rows]."
            )
        rows = index.cpu().numpy()
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(
                f"{self.blocks.source.path}: rows run from 0 to {len(self) - 1}; "
                f"{rows.min()} to {rows.max()} were asked for."
            )
        # sorted by blocks, rows of a block lie side by side
        order = np.argsort(rows // self.block, kind="stable")
        sought = rows[order]
        belongs = sought // self.block
        out = torch.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        for number in np.unique(belongs).tolist():
            here = slice(*np.searchsorted(belongs, (number, number + 1)))
            values = self.blocks.get(number).reshape(-1, *self.shape[1:])
            values = values[sought[here] - number * self.block]
            values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
            out[torch.from_numpy(order[here])] = torch.from_numpy(values).to(self.dtype)
        return sent(out, self.device)

    def prefetch(self, rows: Tensor) -> None:
        """Have the blocks of some rows read beside other work.

        Args:
            rows: (b,) row numbers.
        """
        for each in (rows // self.block).unique().tolist():
            self.blocks.ask(each)

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """The same file, with its values in another precision or sent to another device."""
        like = torch.empty(0, dtype=self.dtype, device=self.device).to(*args, **kwargs)
        if like.dtype == self.dtype and like.device == self.device:
            return self
        return StoredTensor(self.blocks, tuple(self.shape), like.dtype, like.device)

    def close(self) -> None:
        """Close the file, for all tensors made of it."""
        self.blocks.close()

    def detach(self) -> Tensor:
        """Return this tensor, to which no gradients lead."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> StoredTensor:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        again = (self.blocks.reopen, tuple(self.shape), self.dtype, self.device)
        return _again, again

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"StoredTensor({self.blocks.source.path}, {tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise TypeError(
            f"{func}: measurements on disk are read a part at a time: y[rows]. A method that needs "
            "all of them takes io.read_hdf5 or numpy.load."
        )


def _again(
    reopen: Callable[[], StoredTensor],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> StoredTensor:
    return StoredTensor(reopen().blocks, shape, dtype, device)


def block_values(source: Source, a_row: int) -> int:
    """How many values of a file a block has: about `ROWS_A_BLOCK` rows, and whole chunks if so.

    Args:
        source: The file.
        a_row: Values of a row.
    """
    aim = ROWS_A_BLOCK * a_row
    unit = a_row
    if source.chunks is not None:
        for axis in range(len(source.shape)):
            inner = math.prod(source.shape[axis + 1 :])
            chunk = source.chunks[axis] * inner
            if inner % a_row == 0 and chunk <= 16 * aim:
                unit = chunk
                break
    return unit * max(1, aim // unit)


def kept_blocks() -> int:
    """Blocks that are kept: those in use, those of the next steps, and as many again."""
    return 3 * TOGETHER
