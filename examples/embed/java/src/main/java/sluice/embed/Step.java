package sluice.embed;

import com.dylibso.chicory.wasm.ChicoryException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.OptionalLong;

/** One thing that a vector does to a core. */
sealed interface Step {
  HexFormat HEX = HexFormat.of();

  /**
   * Do it.
   *
   * @return what disagreed with the vector, if anything did
   */
  Optional<String> take(Core core);

  /** Bytes into linear memory. */
  record Write(long at, byte[] bytes) implements Step {
    @Override
    public Optional<String> take(Core core) {
      core.write(at, bytes);
      return Optional.empty();
    }
  }

  /** Bytes that must be there. */
  record Read(long at, byte[] expected) implements Step {
    @Override
    public Optional<String> take(Core core) {
      byte[] found = core.read(at, expected.length);
      int first = Arrays.mismatch(found, expected);
      if (first < 0) {
        return Optional.empty();
      }
      return Optional.of(
          "byte %d is %s, expected %s"
              .formatted(
                  at + first,
                  HEX.toHexDigits(found[first]),
                  HEX.toHexDigits(expected[first])));
    }
  }

  /** A call of an export, and what it must return. */
  record Call(String name, long[] args, OptionalLong expected) implements Step {
    @Override
    public Optional<String> take(Core core) {
      long result;
      try {
        result = core.call(name, args);
      } catch (NoSuchElementException missing) {
        return Optional.of("the module exports no " + name);
      } catch (IllegalArgumentException wrong) {
        return Optional.of(wrong.getMessage());
      } catch (ChicoryException trap) {
        return Optional.of("%s trapped: %s".formatted(name, trap.getMessage()));
      }
      if (expected.isEmpty() || expected.getAsLong() == result) {
        return Optional.empty();
      }
      return Optional.of(
          "%s returned %d, expected %d".formatted(name, result, expected.getAsLong()));
    }
  }

  /** Take steps in order, up to the first that disagrees. */
  static Optional<String> takeAll(List<Step> steps, Core core) {
    int number = 0;
    for (Step step : steps) {
      number++;
      Optional<String> wrong;
      try {
        wrong = step.take(core);
      } catch (IndexOutOfBoundsException outside) {
        wrong = Optional.of(outside.getMessage());
      }
      if (wrong.isPresent()) {
        return Optional.of("step %d: %s".formatted(number, wrong.get()));
      }
    }
    return Optional.empty();
  }

  /** The steps of a JSON array, decoded once. */
  static List<Step> listOf(JsonNode array) {
    List<Step> steps = new ArrayList<>();
    array.forEach(node -> steps.add(of(node)));
    return steps;
  }

  private static Step of(JsonNode node) {
    if (node.has("write")) {
      return new Write(at(node.get("write")), bytes(node.get("write")));
    }
    if (node.has("read")) {
      return new Read(at(node.get("read")), bytes(node.get("read")));
    }
    List<Long> args = new ArrayList<>();
    node.required("args").forEach(arg -> args.add(arg.longValue()));
    return new Call(
        node.required("call").textValue(),
        args.stream().mapToLong(Long::longValue).toArray(),
        node.has("returns")
            ? OptionalLong.of(node.get("returns").longValue())
            : OptionalLong.empty());
  }

  private static long at(JsonNode area) {
    return area.required("at").longValue();
  }

  private static byte[] bytes(JsonNode area) {
    return HEX.parseHex(area.required("hex").textValue());
  }
}
