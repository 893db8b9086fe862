"""One core over one linear memory, through wasmtime."""

from collections.abc import Callable

from wasmtime import Engine, Func, Instance, Limits, Memory, MemoryType, Module, Store, ValType

MIN_PAGES = 32
"""Pages of 64 KiB that the module asks for at least."""

U32_MASK = 0xFFFF_FFFF


class Core:
    """An instance of core.wasm and the memory it was lent.

    The module allocates nothing and imports nothing but ``env.memory``. The memory has its final
    size from the start, so that addresses stay valid for the life of the instance.
    """

    def __init__(self, engine: Engine, module: Module, pages: int = MIN_PAGES) -> None:
        self._store = Store(engine)
        self._memory = Memory(self._store, MemoryType(Limits(pages, pages)))
        instance = Instance(self._store, module, [self._memory])
        exports = instance.exports(self._store)
        self._functions = {
            name: _typed(self._store, export)
            for name, export in exports.items()
            if isinstance(export, Func)
        }

    def __getitem__(self, name: str) -> Callable[..., int | None]:
        """The export of that name; addresses and counts are u32, times are milliseconds."""
        return self._functions[name]

    def write(self, at: int, data: bytes | bytearray) -> None:
        """Copy ``data`` into linear memory. IndexError where it does not fit."""
        self._check(at, len(data))
        self._memory.write(self._store, data, at)

    def read(self, at: int, length: int) -> bytes:
        """A copy of ``length`` bytes of linear memory. IndexError where there are fewer."""
        self._check(at, length)
        return bytes(self._memory.read(self._store, at, at + length))

    def _check(self, at: int, length: int) -> None:
        if not 0 <= at <= at + length <= self._memory.data_len(self._store):
            raise IndexError(f"memory ends before {at + length}")


def _typed(store: Store, func: Func) -> Callable[..., int | None]:
    """A call with Python numbers: f64 parameters as floats, the i32 result as u32.

    The call raises TypeError for too few or too many arguments, wasmtime's errors for a trap.
    """
    is_float = [param == ValType.f64() for param in func.type(store).params]

    def call(*args: int) -> int | None:
        if len(args) != len(is_float):
            raise TypeError(f"takes {len(is_float)} arguments, not {len(args)}")
        wide = [float(arg) if f else arg for arg, f in zip(args, is_float, strict=True)]
        result = func(store, *wide)
        return None if result is None else result & U32_MASK

    return call
