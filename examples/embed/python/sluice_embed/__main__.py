"""Run all vectors and the throughput loops.

Exit code 0: every case passed; 1: some did not; 2: the input is not usable.
"""

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from wasmtime import Engine, Module, WasmtimeError

from .core import Core
from .throughput import LoopError, ns_per_item
from .vectors import InputError, run

RUNTIME = "python-wasmtime"


def main() -> int:
    options = parse_arguments()
    try:
        return report(options.module, options.vectors, options.json)
    except InputError as error:
        print(f"{RUNTIME}: {error}", file=sys.stderr)
        return 2


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=RUNTIME, description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--module", type=Path, default=Path("build/core/core.wasm"))
    parser.add_argument("--vectors", type=Path, default=Path("test/vectors"))
    return parser.parse_args()


def report(path: Path, folder: Path, as_json: bool) -> int:
    begin = perf_counter()
    engine = Engine()
    module = load_module(engine, path)
    abi_version = Core(engine, module)["abiVersion"]() or 0
    start_ms = (perf_counter() - begin) * 1e3

    outcome = run(engine, module, folder, abi_version)
    failures = outcome.failures
    speeds: dict[str, float] = {}
    for name in ("packets", "answers"):
        file = folder / "throughput" / f"{name}.json"
        try:
            speeds[name] = ns_per_item(engine, module, file, abi_version)
        except LoopError as error:
            failures.append(str(error))

    for failure in failures:
        print(failure, file=sys.stderr)
    line = {
        "runtime": RUNTIME,
        "version": f"{version('wasmtime')} (Python {platform.python_version()})",
        "passed": outcome.passed,
        "total": outcome.total,
        "nsPerPacket": rounded(speeds.get("packets")),
        "nsPerAnswer": rounded(speeds.get("answers")),
        "startMs": rounded(start_ms),
    }
    print(json.dumps(line, separators=(",", ":")) if as_json else sentence(line))
    return 1 if failures else 0


def load_module(engine: Engine, path: Path) -> Module:
    try:
        return Module(engine, path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except WasmtimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a module that wasmtime takes: {reason}") from error


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def sentence(line: dict[str, object]) -> str:
    return (
        "{runtime} {version}: {passed} of {total} cases, {nsPerPacket} ns a packet, "
        "{nsPerAnswer} ns a DNS answer, started in {startMs} ms".format(**line)
    )


if __name__ == "__main__":
    sys.exit(main())
