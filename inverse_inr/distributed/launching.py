"""Processes that `torchrun` started find each other, and end together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from inverse_inr.distributed.ranks import Ranks
from inverse_inr.distributed.together import current
from inverse_inr.ranges import Positive, checked

FAILED = "inverse_inr: what failed"
"""The key under which the first process that fails says why."""

WAIT = 3.0
"""Seconds in which a process that fails is heard by the others."""


@contextmanager
@checked
def started(*, timeout: Positive = 600.0, init_method: str = "env://") -> Iterator[Ranks]:
    """Let the fits inside the block be divided between the processes that `torchrun` started.

    In a process that was started alone nothing changes. A group that was made already is used as it
    is. An error in one process ends all of them, each with its message.

    Args:
        timeout: The longest time that a process waits for the others, in seconds.
        init_method: How the processes find each other, as `torch.distributed` has it; the number of
            this one and of all are read from the environment (RANK, WORLD_SIZE).

    Yields:
        The processes.

    Raises:
        RuntimeError: Another process failed; the message is that of its error.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2 or dist.is_initialized():
        yield current()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    rank = int(os.environ["RANK"])
    longest = timedelta(seconds=timeout)
    store, _, _ = next(rendezvous(init_method, rank, world, timeout=longest))
    try:
        own = PrefixStore("group", store)
        dist.init_process_group(store=own, rank=rank, world_size=world, timeout=longest)
        yield current()
    except (Exception, KeyboardInterrupt) as error:
        said = _told_by_another(store, error, rank)
        if said is None:
            raise
        raise RuntimeError(said) from None
    finally:
        leave()


def leave() -> None:
    """End the group of processes; what follows in this one is its own."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _told_by_another(store: Store, error: BaseException, rank: int) -> str | None:
    """Hear which process failed before and so broke a connection; or say why this one fails."""
    mine = f"rank {rank}: {type(error).__name__}: {error}"
    try:
        if isinstance(error, RuntimeError) and _is_said(store):
            return store.get(FAILED).decode()
        store.compare_set(FAILED, "", mine)
    except RuntimeError:  # the store is gone together with the process that kept it
        pass
    return None


def _is_said(store: Store) -> bool:
    try:
        store.wait([FAILED], timedelta(seconds=WAIT))
    except dist.DistStoreError:
        return False
    return True
