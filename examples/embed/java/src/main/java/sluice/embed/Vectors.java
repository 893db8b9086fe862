package sluice.embed;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The vectors that every runtime must reproduce: JSON in, disagreements out. */
final class Vectors {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What became of the cases of some files. */
  record Outcome(int passed, int total, List<String> failures) {}

  private Vectors() {}

  /** All files of a folder, by name, each on a fresh instance. */
  static Outcome run(Core.Module module, Path folder, long abiVersion) throws InputException {
    int passed = 0;
    int total = 0;
    List<String> failures = new ArrayList<>();
    for (Path file : files(folder)) {
      JsonNode vector = load(file, abiVersion);
      Core core = new Core(module, vector.required("pages").intValue());
      JsonNode cases = vector.required("cases");
      total += cases.size();
      Optional<String> unready = Step.takeAll(Step.listOf(vector.required("setup")), core);
      if (unready.isPresent()) {
        failures.add("%s setup: %s".formatted(file.getFileName(), unready.get()));
        continue;
      }
      for (JsonNode one : cases) {
        Optional<String> wrong = Step.takeAll(Step.listOf(one.required("steps")), core);
        if (wrong.isEmpty()) {
          passed++;
          continue;
        }
        String name = one.required("name").textValue();
        failures.add("%s case %s: %s".formatted(file.getFileName(), name, wrong.get()));
      }
    }
    return new Outcome(passed, total, failures);
  }

  /** One file, refused when it was made for another ABI. */
  static JsonNode load(Path file, long abiVersion) throws InputException {
    JsonNode vector;
    try {
      vector = JSON.readTree(Files.readString(file));
    } catch (JsonProcessingException e) {
      throw new InputException("%s is not JSON: %s".formatted(file, e.getOriginalMessage()), e);
    } catch (IOException e) {
      throw new InputException("cannot read " + file, e);
    }
    if (!vector.has("pages") || !vector.has("setup") || !(vector.has("cases") || vector.has("loop"))) {
      throw new InputException(file + " is not a vector file");
    }
    long wanted = vector.path("abiVersion").longValue();
    if (wanted != abiVersion) {
      throw new InputException(
          "%s is for ABI %d, the module speaks ABI %d".formatted(file, wanted, abiVersion));
    }
    return vector;
  }

  private static List<Path> files(Path folder) throws InputException {
    if (!Files.isDirectory(folder)) {
      throw new InputException("there is no folder " + folder);
    }
    try (var entries = Files.list(folder)) {
      List<Path> files =
          entries.filter(path -> path.toString().endsWith(".json")).sorted().toList();
      if (files.isEmpty()) {
        throw new InputException("there are no vectors in " + folder);
      }
      return files;
    } catch (IOException e) {
      throw new InputException("cannot read " + folder, e);
    }
  }
}
