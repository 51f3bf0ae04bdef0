"""Mask prediction in a process of its own: time to the first mask, masks per second, peak memory.

`python masks.py WEIGHTS SIDE BATCH REPEATS THREADS DEVICE STARTED` prints JSON; `measure_masks` starts it.
"""

import json
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path


def measure_masks(weights: Path, side: int, batch: int, repeats: int, threads: int, device: str) -> dict[str, float]:
    """Predict masks of `batch` photos of `side` x `side` pixels at once, `repeats` times, in a new process.

    Returns:
        seconds_to_first_mask (from starting Python), masks_per_second and refined_masks_per_second (medians),
        MiB: memory_after_import, peak_memory, peak_memory_refined (resident; on a GPU allocated there).
    """
    numbers = [str(number) for number in (side, batch, repeats, threads)]
    command = [sys.executable, __file__, str(weights), *numbers, device, repr(time.time())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def child(
    weights: str, side: int, batch: int, repeats: int, threads: int, device: str, started: float
) -> dict[str, float]:
    """What the new process does."""
    import torch

    from genstruct.segmentation.segmenter import Segmenter

    torch.set_num_threads(threads)
    result = {"memory_after_import": resident()}
    segmenter = Segmenter.load(weights, device)
    images = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    segmenter.predict(images[:1])[0].cpu()
    result["seconds_to_first_mask"] = time.time() - started
    for name, refine in (("", False), ("refined_", True)):
        seconds = []
        for _ in range(repeats):
            begin = time.perf_counter()
            [mask.cpu() for mask in segmenter.predict(images, refine=refine)]
            seconds.append(time.perf_counter() - begin)
        result[f"{name}masks_per_second"] = batch / statistics.median(seconds)
        result["peak_memory_refined" if refine else "peak_memory"] = peak(device)
    return result


def resident() -> float:
    """Peak resident memory of this process so far, MiB.

    From /proc where there is one: getrusage on Linux also counts the process that started this one.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if found is not None:
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on a Mac


def peak(device: str) -> float:
    """Peak memory so far, MiB: of the GPU where there is one in use, else of the process."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    return resident()


if __name__ == "__main__":
    weights, *numbers, device, started = sys.argv[1:]
    side, batch, repeats, threads = map(int, numbers)
    print(json.dumps(child(weights, side, batch, repeats, threads, device, float(started))))
