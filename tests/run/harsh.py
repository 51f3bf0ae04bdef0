"""Commands that meet a kill, a full disk or a limit, each in a process of its own that is forked from one that has
imported everything: seconds for many.

Run as a script: `python harsh.py < jobs.json`. A job is `{"words": [...], "below": FOLDER, "how": HOW, "at": NUMBER}`:

- `"count"`, `"again"`: just run. A moment is when something below the folder is opened for writing, renamed, removed or
  made; "count" notes how many there were, for the jobs after it.
- `"kill"`: SIGKILL right before the moment at this share of those counted, in [0, 1).
- `"full"`: from that moment on the disk has no room: every opening for writing and every making fails.
- `"limit"`: files cannot grow beyond `at` bytes, as on a disk that fills while a file is written.
- `"late"`: SIGKILL after `at` seconds.

Prints the end of each job as JSON: `{"status": ..., "told": standard error and output}`.
"""

import errno
import importlib
import json
import mmap
import os
import resource
import signal
import sys
import threading
import traceback

import torch

from genstruct.cli.main import main

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def place_of(event, arguments):
    """The path that an audited event is about to change; None for others."""
    if event == "open":
        path, _, flags = arguments
        return path if isinstance(path, str | bytes) and flags & WRITES else None
    if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"):
        return arguments[0]
    return None


def watched(job, moments, counted):
    """The hook that does to a process what its job says; counts moments, and those of them that need room."""
    below = str(job["below"])
    needs_room = job["how"] == "full"

    def hook(event, arguments):
        place = place_of(event, arguments)
        if not isinstance(place, str | os.PathLike) or not str(place).startswith(below):
            return
        room = event in ("open", "os.mkdir")
        now = moments[needs_room]
        moments[0], moments[1] = moments[0] + 1, moments[1] + room
        if job["how"] == "kill" and now == int(job["at"] * counted[0]):
            os.kill(os.getpid(), signal.SIGKILL)
        if job["how"] == "full" and room and now >= int(job["at"] * counted[1]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))

    return hook


def child(job, moments, counted, told):
    """What the forked process does; never returns."""
    status = 99
    try:
        os.dup2(told, 1)
        os.dup2(told, 2)
        if job["how"] == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["at"], job["at"]))
        sys.addaudithook(watched(job, moments, counted))
        status = main(job["words"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def done(job, counted):
    """The end of a job."""
    moments = memoryview(mmap.mmap(-1, 16)).cast("Q")  # shared with the child
    reader, writer = os.pipe()  # which no limit on files concerns
    pid = os.fork()
    if not pid:
        child(job, moments, counted, writer)
    os.close(writer)
    timer = threading.Timer(job["at"], os.kill, (pid, signal.SIGKILL)) if job["how"] == "late" else None
    if timer is not None:
        timer.start()
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    if timer is not None:
        timer.cancel()
        timer.join()
    _, status = os.waitpid(pid, 0)
    if job["how"] == "count":
        counted[:] = moments
    return {"status": os.waitstatus_to_exitcode(status), "told": told}


if __name__ == "__main__":
    torch.set_num_threads(1)
    importlib.import_module("genstruct.data.summary")  # so that children need not
    importlib.import_module("genstruct.segmentation.stages")
    counts = [0, 0]
    sys.stdout.write(json.dumps([done(job, counts) for job in json.load(sys.stdin)]))
