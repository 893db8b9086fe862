"""The vectors that every runtime must reproduce: JSON in, disagreements out."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmtime import Engine, Module, Trap, WasmtimeError

from .core import Core

Step = Callable[[Core], str | None]
"""Does one thing to a core; returns what disagreed, if anything did."""


class InputError(Exception):
    """A file that is not there, not JSON, or meant for another core."""


@dataclass
class Outcome:
    """What became of the cases of some files."""

    passed: int
    total: int
    failures: list[str]


def load(file: Path, abi_version: int) -> dict[str, Any]:
    """One vector file, refused when it was made for another ABI."""
    try:
        vector: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    missing = {"abiVersion", "pages", "setup"} - vector.keys()
    if missing or not vector.keys() & {"cases", "loop"}:
        raise InputError(f"{file} is not a vector file")
    wanted = vector["abiVersion"]
    if wanted != abi_version:
        raise InputError(f"{file} is for ABI {wanted}, the module speaks ABI {abi_version}")
    return vector


def vector_files(folder: Path) -> list[Path]:
    """The vector files of a folder, by name; at least one."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"there are no vectors in {folder}")
    return files


def run(engine: Engine, module: Module, folder: Path, abi_version: int) -> Outcome:
    """All files of a folder, each on a fresh instance."""
    outcome = Outcome(0, 0, [])
    for file in vector_files(folder):
        vector = load(file, abi_version)
        core = Core(engine, module, vector["pages"])
        outcome.total += len(vector["cases"])
        unready = first_disagreement(core, map(compile_step, vector["setup"]))
        if unready:
            outcome.failures.append(f"{file.name} setup: {unready}")
            continue
        for case in vector["cases"]:
            wrong = first_disagreement(core, map(compile_step, case["steps"]))
            if wrong:
                outcome.failures.append(f"{file.name} case {case['name']}: {wrong}")
            else:
                outcome.passed += 1
    return outcome


def first_disagreement(core: Core, steps: Iterable[Step]) -> str | None:
    """Take the steps in order, up to the first that disagrees."""
    return next(_disagreements(core, steps), None)


def _disagreements(core: Core, steps: Iterable[Step]) -> Iterator[str]:
    for number, step in enumerate(steps, start=1):
        wrong = step(core)
        if wrong:
            yield f"step {number}: {wrong}"


def compile_step(step: dict[str, Any]) -> Step:
    """Decode a step once, so that a loop of them costs calls and copies only."""
    match step:
        case {"write": {"at": at, "hex": text}}:
            data = bytearray.fromhex(text)
            return lambda core: _write(core, at, data)
        case {"read": {"at": at, "hex": text}}:
            expected = bytes.fromhex(text)
            return lambda core: _compare(core, at, expected)
        case {"call": name, "args": args}:
            return lambda core: _call(core, name, args, step.get("returns"))
    raise InputError(f"unknown step {step}")


def _write(core: Core, at: int, data: bytearray) -> str | None:
    try:
        core.write(at, data)
    except IndexError as error:
        return str(error)
    return None


def _compare(core: Core, at: int, expected: bytes) -> str | None:
    try:
        found = core.read(at, len(expected))
    except IndexError as error:
        return str(error)
    if found == expected:
        return None
    first = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)
    return f"byte {at + first} is {found[first]:02x}, expected {expected[first]:02x}"


def _call(core: Core, name: str, args: list[int], expected: int | None) -> str | None:
    try:
        result = core[name](*args)
    except KeyError:
        return f"the module exports no {name}"
    except TypeError as error:
        return f"{name} {error}"
    except (Trap, WasmtimeError) as error:
        reason = str(error).splitlines()[-1].partition(": ")[2]
        return f"{name} trapped: {reason}"
    if expected is None or result == expected:
        return None
    return f"{name} returned {result}, expected {expected}"
