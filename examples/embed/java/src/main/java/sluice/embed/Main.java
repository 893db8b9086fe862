package sluice.embed;

import com.dylibso.chicory.wasm.Version;
import com.dylibso.chicory.wasm.ChicoryException;
import com.dylibso.chicory.wasm.MalformedException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/**
 * Run all vectors and the throughput loops.
 *
 * <p>Exit code 0: every case passed; 1: some did not; 2: the input is not usable.
 */
public final class Main {
  private static final String RUNTIME = "java-chicory";

  /** The line that every host prints. */
  record Report(
      String runtime,
      String version,
      int passed,
      int total,
      Double nsPerPacket,
      Double nsPerAnswer,
      double startMs) {}

  private record Options(boolean json, Path module, Path vectors) {
    static Options of(List<String> args) throws InputException {
      boolean json = false;
      Path module = Path.of("build/core/core.wasm");
      Path vectors = Path.of("test/vectors");
      for (Iterator<String> rest = args.iterator(); rest.hasNext(); ) {
        String option = rest.next();
        switch (option) {
          case "--json" -> json = true;
          case "--module" -> module = value(option, rest);
          case "--vectors" -> vectors = value(option, rest);
          default -> throw new InputException("unknown option " + option);
        }
      }
      return new Options(json, module, vectors);
    }

    private static Path value(String option, Iterator<String> rest) throws InputException {
      if (!rest.hasNext()) {
        throw new InputException(option + " needs a path");
      }
      return Path.of(rest.next());
    }
  }

  private record Started(Core.Module module, String about, long abiVersion, double startMs) {}

  private Main() {}

  public static void main(String[] args) throws JsonProcessingException {
    try {
      System.exit(run(Options.of(List.of(args))));
    } catch (InputException e) {
      System.err.println(RUNTIME + ": " + e.getMessage());
      System.exit(2);
    }
  }

  private static int run(Options options) throws InputException, JsonProcessingException {
    Started started = start(options.module);
    var outcome = Vectors.run(started.module, options.vectors, started.abiVersion);
    List<String> failures = new ArrayList<>(outcome.failures());
    Report report =
        new Report(
            RUNTIME,
            started.about,
            outcome.passed(),
            outcome.total(),
            speed(started, options.vectors, "packets.json", failures),
            speed(started, options.vectors, "answers.json", failures),
            rounded(started.startMs));
    failures.forEach(System.err::println);
    System.out.println(options.json ? new ObjectMapper().writeValueAsString(report) : text(report));
    return failures.isEmpty() ? 0 : 1;
  }

  /** Load the module up to the answer of its first export. */
  private static Started start(Path path) throws InputException {
    long begin = System.nanoTime();
    Core.Module module;
    String about = "%s (Java %s)".formatted(chicoryVersion(), Runtime.version());
    try {
      module = new Core.Module(read(path));
    } catch (MalformedException wrong) {
      throw new InputException(
          "%s is not a module: %s".formatted(path, wrong.getMessage()), wrong);
    } catch (ChicoryException refused) {
      Path baseline = path.resolveSibling("core-baseline.wasm");
      if (!Files.exists(baseline)) {
        throw new InputException(
            "Chicory does not take %s (%s) and there is no %s"
                .formatted(path, refused.getMessage(), baseline),
            refused);
      }
      begin = System.nanoTime();
      module = new Core.Module(read(baseline));
      about = "%s (Java %s, core-baseline.wasm)".formatted(chicoryVersion(), Runtime.version());
    }
    long abiVersion = new Core(module, Core.MIN_PAGES).call("abiVersion");
    return new Started(module, about, abiVersion, (System.nanoTime() - begin) / 1e6);
  }

  private static byte[] read(Path path) throws InputException {
    try {
      return Files.readAllBytes(path);
    } catch (IOException e) {
      throw new InputException("cannot read " + path, e);
    }
  }

  /** Nanoseconds an item, null when the loop went wrong. */
  private static Double speed(Started core, Path folder, String name, List<String> failures)
      throws InputException {
    try {
      Path file = folder.resolve("throughput").resolve(name);
      return rounded(Throughput.nsPerItem(core.module, file, core.abiVersion));
    } catch (Throughput.LoopException e) {
      failures.add(e.getMessage());
      return null;
    }
  }

  private static String chicoryVersion() {
    return Version.version();
  }

  private static double rounded(double x) {
    return Math.round(x * 10) / 10.0;
  }

  private static String text(Report r) {
    return "%s %s: %d of %d cases, %s ns a packet, %s ns a DNS answer, started in %s ms"
        .formatted(
            r.runtime, r.version, r.passed, r.total, r.nsPerPacket, r.nsPerAnswer, r.startMs);
  }
}
