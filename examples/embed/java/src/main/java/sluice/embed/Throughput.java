package sluice.embed;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** How long one item of a throughput file takes. */
final class Throughput {
  /** Longer than other hosts turn: the virtual machine optimises while the loop turns. */
  private static final Duration WARM_UP = Duration.ofSeconds(2);
  private static final Duration MEASURE = Duration.ofSeconds(1);

  /** A turn of the loop came out otherwise than the file says. */
  static final class LoopException extends Exception {
    private static final long serialVersionUID = 1L;

    LoopException(Path file, String wrong) {
      super("throughput/%s: %s".formatted(file.getFileName(), wrong));
    }
  }

  private Throughput() {}

  /**
   * Turn the loop of a file for a second. What it takes to call into the core is part of the time,
   * once a turn.
   */
  static double nsPerItem(Core.Module module, Path file, long abiVersion)
      throws InputException, LoopException {
    JsonNode vector = Vectors.load(file, abiVersion);
    Core core = new Core(module, vector.required("pages").intValue());
    Optional<String> unready = Step.takeAll(Step.listOf(vector.required("setup")), core);
    if (unready.isPresent()) {
      throw new LoopException(file, "setup: " + unready.get());
    }
    JsonNode loop = vector.required("loop");
    List<Step> steps = Step.listOf(loop.required("steps"));
    turnFor(WARM_UP, steps, core, file);
    return turnFor(MEASURE, steps, core, file) / loop.required("items").intValue();
  }

  /** Nanoseconds a turn. */
  private static double turnFor(Duration atLeast, List<Step> steps, Core core, Path file)
      throws LoopException {
    long begin = System.nanoTime();
    for (long turns = 1; ; turns++) {
      Optional<String> wrong = Step.takeAll(steps, core);
      if (wrong.isPresent()) {
        throw new LoopException(file, wrong.get());
      }
      long elapsed = System.nanoTime() - begin;
      if (elapsed >= atLeast.toNanos()) {
        return (double) elapsed / turns;
      }
    }
  }
}
