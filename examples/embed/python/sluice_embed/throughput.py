"""How long one item of a throughput file takes, with the host language's own overhead in it."""

from pathlib import Path
from time import perf_counter

from wasmtime import Engine, Module

from .core import Core
from .vectors import compile_step, first_disagreement, load

WARM_UP_SEC = 0.2
MEASURE_SEC = 1.0


class LoopError(Exception):
    """A turn of the loop came out otherwise than the file says."""


def ns_per_item(engine: Engine, module: Module, file: Path, abi_version: int) -> float:
    """Turn the loop of a file for a second and divide by the items."""
    vector = load(file, abi_version)
    core = Core(engine, module, vector["pages"])
    loop = vector["loop"]
    items: int = loop["items"]
    steps = [compile_step(step) for step in loop["steps"]]
    wrong = first_disagreement(core, map(compile_step, vector["setup"]))
    if wrong:
        raise LoopError(f"throughput/{file.name}: setup: {wrong}")

    def turn_for(seconds: float) -> float:
        turns = 0
        begin = perf_counter()
        while (elapsed := perf_counter() - begin) < seconds:
            for step in steps:
                if step(core):
                    raise LoopError(f"throughput/{file.name}: {first_disagreement(core, steps)}")
            turns += 1
        return elapsed / turns

    turn_for(WARM_UP_SEC)
    return turn_for(MEASURE_SEC) / items * 1e9
