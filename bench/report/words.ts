/** What a report says in sentences. bench/README.md says it at length. */

/** What a sweep does and what to look for. */
export const ABOUT_SWEEPS: Readonly<Record<string, string>> = {
  'sweep/flows':
    'One packet of an established flow: parse, look-up, rewrite. Flows come in random order, so each packet asks for two cache lines that the last one did not: the row and its tally.',
  'sweep/services':
    'From a frame to its backend: parse, classify, frontend, set, Maglev. Three endpoints a service, services asked for at random, tables as the control plane compiles them.',
  'sweep/backends/build':
    'Building the Maglev table of one set: a hundred slots a backend, up to 65 521. The same members, the same table in all three languages; the ring is the usual other way to hash consistently.',
  'sweep/backends/pick':
    'Picking a backend from a built table: one multiplication and one load, whatever the number of backends.',
  'sweep/names':
    'An address query answered in place, names asked for in a scattered order. A look-up touches the row of the name and the entry with its records.',
  'sweep/burst':
    'Frames of established flows in one call from JavaScript. The call and the turn of the loop are shared by more frames the longer the batch is; the rival crosses for every frame.',
};

export const HOW_TO_READ: readonly string[] = [
  'Ours and its rivals are measured in turn, sample by sample, in one process and its children. A ratio is taken of two samples that stand beside each other; the median of these ratios is the result. Medians of the times alone do not have to divide to it.',
  '"Spread" is the middle half of the ratios over their median. A difference of less than half of it has not been shown, and the report says so instead of naming a winner.',
  'Loops run inside WebAssembly, compiled by the optimising compiler from the start. C twins do the same steps on the same bytes, gcc -O3 without -march; a suite fails when they do not get the same result. JavaScript is what one would write without thinking of this project: Map, DataView, objects.',
  'Times compare within this run only. Between two machines, two kernels or two boots, ratios do, roughly.',
  'Anything else that runs on the machine makes a number wrong; so does a hypervisor that lends the processor to others. bench/README.md has the rest of the list.',
];
