package sluice.embed;

import com.dylibso.chicory.compiler.InterpreterFallback;
import com.dylibso.chicory.compiler.MachineFactoryCompiler;
import com.dylibso.chicory.runtime.ByteArrayMemory;
import com.dylibso.chicory.runtime.ExportFunction;
import com.dylibso.chicory.runtime.ImportMemory;
import com.dylibso.chicory.runtime.ImportValues;
import com.dylibso.chicory.runtime.Instance;
import com.dylibso.chicory.runtime.Machine;
import com.dylibso.chicory.runtime.Memory;
import com.dylibso.chicory.wasm.Parser;
import com.dylibso.chicory.wasm.WasmModule;
import com.dylibso.chicory.wasm.types.ExternalType;
import com.dylibso.chicory.wasm.types.FunctionType;
import com.dylibso.chicory.wasm.types.MemoryLimits;
import com.dylibso.chicory.wasm.types.ValType;
import java.util.HashMap;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.Function;

/**
 * One instance of the core over one linear memory.
 *
 * <p>The core allocates nothing and imports nothing but {@code env.memory}. The memory has its
 * final size from the start. Not safe for concurrent use: have one per thread.
 */
public final class Core {
  /** Pages of 64 KiB that the module asks for at least. */
  public static final int MIN_PAGES = 32;

  private record Export(ExportFunction function, boolean[] isFloat, boolean returns) {}

  private final Memory memory;
  private final Map<String, Export> exports = new HashMap<>();

  /** The core as Java byte code; any number of cores share it. */
  public static final class Module {
    private final WasmModule wasm;
    private final Function<Instance, Machine> machine;

    /**
     * Translate a module.
     *
     * @throws com.dylibso.chicory.wasm.ChicoryException when Chicory does not know what the module
     *     uses: it compiles no SIMD, so that it takes core-baseline.wasm and not core.wasm
     */
    public Module(byte[] bytes) {
      wasm = Parser.parse(bytes);
      machine =
          MachineFactoryCompiler.builder(wasm)
              .withInterpreterFallback(InterpreterFallback.FAIL)
              .compile();
    }
  }

  /** An instance with a memory of exactly so many pages. */
  public Core(Module module, int pages) {
    memory = new ByteArrayMemory(new MemoryLimits(pages, pages));
    Instance instance =
        Instance.builder(module.wasm)
            .withMachineFactory(module.machine)
            .withImportValues(
                ImportValues.builder().addMemory(new ImportMemory("env", "memory", memory)).build())
            .build();
    var section = module.wasm.exportSection();
    for (int i = 0; i < section.exportCount(); i++) {
      var export = section.getExport(i);
      if (export.exportType() == ExternalType.FUNCTION) {
        exports.put(export.name(), bind(instance, export.name()));
      }
    }
  }

  private static Export bind(Instance instance, String name) {
    FunctionType type = instance.exportType(name);
    var isFloat = new boolean[type.params().size()];
    for (int i = 0; i < isFloat.length; i++) {
      isFloat[i] = type.params().get(i).equals(ValType.F64);
    }
    return new Export(instance.export(name), isFloat, !type.returns().isEmpty());
  }

  /**
   * Call an export. Addresses and counts are unsigned 32-bit numbers, times are milliseconds.
   *
   * @return the result as an unsigned number, 0 from a function that returns nothing
   * @throws NoSuchElementException when there is no such export
   * @throws com.dylibso.chicory.wasm.ChicoryException when the function trapped
   */
  public long call(String name, long... args) {
    Export export = exports.get(name);
    if (export == null) {
      throw new NoSuchElementException(name);
    }
    if (args.length != export.isFloat.length) {
      throw new IllegalArgumentException(
          "%s takes %d arguments, not %d".formatted(name, export.isFloat.length, args.length));
    }
    long[] raw = new long[args.length];
    for (int i = 0; i < args.length; i++) {
      raw[i] = export.isFloat[i] ? Double.doubleToRawLongBits(args[i]) : (int) args[i];
    }
    long[] result = export.function.apply(raw);
    return export.returns ? Integer.toUnsignedLong((int) result[0]) : 0;
  }

  /**
   * Copy bytes into linear memory.
   *
   * @throws IndexOutOfBoundsException when memory ends before
   */
  public void write(long at, byte[] bytes) {
    check(at, bytes.length);
    memory.write((int) at, bytes);
  }

  /**
   * A copy of bytes of linear memory.
   *
   * @throws IndexOutOfBoundsException when memory ends before
   */
  public byte[] read(long at, int length) {
    check(at, length);
    return memory.readBytes((int) at, length);
  }

  private void check(long at, int length) {
    if (at < 0 || at + length > (long) memory.pages() * Memory.PAGE_SIZE) {
      throw new IndexOutOfBoundsException("memory ends before " + (at + length));
    }
  }
}
