/** Many questions about one cluster, put to one server or to two. */
import type { Random } from '../../fuzz/frames.js';
import { compareParties, compareWithModel } from './compare.js';
import type { Differences, Party } from './compare.js';
import { isOutside, reasonFor } from './known.js';
import type { Model } from './model.js';
import { randomQuestion } from './questions.js';
import type { Question } from './questions.js';

/** A question that was not answered as expected. */
export interface Finding {
  readonly question: Question;
  readonly differences: Differences;
}

export interface Run {
  readonly model: Model;
  readonly ours: Party;
  /** undefined: the model. */
  readonly theirs: Party | undefined;
  readonly random: Random;
  readonly questions: number;
}

export interface Outcome {
  readonly findings: readonly Finding[];
  /** How often two servers differed for a reason that is known. */
  readonly known: ReadonlyMap<string, number>;
}

/** Ask, one question after the other. */
export async function runQuestions(run: Run): Promise<Outcome> {
  const { model, ours, theirs, random } = run;
  const findings: Finding[] = [];
  const known = new Map<string, number>();
  for (let i = 0; i < run.questions; i += 1) {
    const question = randomQuestion(random, model);
    if (theirs !== undefined && question.fault === undefined && isOutside(question, model))
      continue;
    const differences =
      theirs === undefined
        ? await compareWithModel(ours, model, question)
        : await compareParties(ours, theirs, question);
    if (differences.length === 0) continue;
    const reason = theirs === undefined ? undefined : reasonFor(question, model);
    if (reason === undefined) findings.push({ question, differences });
    else known.set(reason, (known.get(reason) ?? 0) + 1);
  }
  return { findings, known };
}

/** A finding in some lines. */
export function shownFinding({ question, differences }: Finding): string {
  const { name, type, message } = question;
  const hex = Buffer.from(message).toString('hex');
  return [`${name} ${type}`, hex, ...differences].join('\n  ');
}
