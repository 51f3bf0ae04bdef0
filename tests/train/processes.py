"""Trainings in processes of their own, alone or as two ranks over gloo. (For tests of every capability.)"""

import os
import socket
import subprocess
import sys

PATIENCE = 300  # seconds; it takes 5, but a test must not fail because the machine is busy


def start(script, *arguments, **environment):
    """A process that runs `script` with these arguments."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **{name: str(value) for name, value in environment.items()}}
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """The words that a process wrote, once it has ended well."""
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out.split()


def on_two_ranks(script, *arguments):
    """Run `script` as both ranks of a training, to its end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [start(script, *arguments, RANK=rank, LOCAL_RANK=rank, **shared) for rank in range(2)]
    try:
        for process in processes:
            finish(process)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
