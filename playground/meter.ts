/** The throughput meter: starts and ends the worker that measures, and shows what it says. */
import type { LoopFile } from '../src/embed/vectors.js';
import type { MeterOrder, MeterReading } from './meter-worker.js';

export interface MeterParts {
  readonly button: HTMLButtonElement;
  readonly packets: HTMLElement;
  readonly answers: HTMLElement;
  readonly status: HTMLElement;
  readonly module: WebAssembly.Module;
  readonly worker: URL;
  /** Read a file of the page. */
  readonly readJson: (path: string) => Promise<unknown>;
}

const MILLION = 1e6;

/** `4.71 M/s` */
function rate(perSec: number | undefined): string {
  return perSec === undefined ? '–' : `${(perSec / MILLION).toFixed(2)} M/s`;
}

export function createMeter(parts: MeterParts): void {
  const { button, packets, answers, status, module, worker: url, readJson } = parts;
  let worker: Worker | undefined;

  const show = ({ packetsPerSec, answersPerSec, failure }: MeterReading): void => {
    if (failure !== undefined) {
      stop(`The loop gave a wrong answer, which has no speed: ${failure}.`);
      return;
    }
    packets.textContent = rate(packetsPerSec);
    answers.textContent = rate(answersPerSec);
  };
  const stop = (said: string): void => {
    worker?.terminate();
    worker = undefined;
    button.textContent = 'Start';
    button.setAttribute('aria-pressed', 'false');
    status.textContent = said;
  };
  const start = async (): Promise<void> => {
    const running = new Worker(url, { type: 'module' });
    worker = running;
    button.textContent = 'Stop';
    button.setAttribute('aria-pressed', 'true');
    status.textContent = 'Measuring, one thread.';
    const [packetLoop, answerLoop] = await Promise.all(
      ['packets', 'answers'].map((name) => readJson(`vectors/${name}.json`)),
    );
    running.addEventListener('message', ({ data }: MessageEvent<MeterReading>) => show(data));
    const order: MeterOrder = {
      module,
      packets: packetLoop as LoopFile,
      answers: answerLoop as LoopFile,
    };
    running.postMessage(order);
  };

  button.addEventListener('click', () => {
    if (worker) stop('Stopped; the last readings stay.');
    else {
      start().catch((error: unknown) => {
        stop(`It cannot measure: ${error instanceof Error ? error.message : String(error)}.`);
      });
    }
  });
}
