"""Work that is made once, as one of two ranks, of which one gets a signal meanwhile.

Run as a script: `python made_once_on_ranks.py OUT SIGNALLED_RANK`. Every rank writes down how it ended.
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch.distributed as dist

from genstruct.run.stages import made_once
from genstruct.train.distributed import current, joined


def make():
    """Signals the rank that is to be stopped, once the other one waits."""
    while not (out / "waiting").exists():
        time.sleep(0.01)
    os.kill(int((out / f"process-{signalled}").read_text()), signal.SIGTERM)
    time.sleep(0.2)
    (out / "made").write_text("")
    return "made"


def noted(broadcast):
    """The function, writing a file when rank 1 begins to wait in it."""

    def call(*arguments):
        if current().rank == 1:
            (out / "waiting").write_text("")
        broadcast(*arguments)

    return call


if __name__ == "__main__":
    out, signalled = Path(sys.argv[1]), int(sys.argv[2])
    dist.broadcast_object_list = noted(dist.broadcast_object_list)
    with joined():
        (out / f"process-{current().rank}").write_text(str(os.getpid()))
        dist.barrier()
        try:
            end = made_once(make)
        except KeyboardInterrupt:
            end = "interrupted"
        (out / f"end-{current().rank}").write_text(end)
    os._exit(0)  # all is done; threads of gloo now and then abort the interpreter's own exit (torch)
