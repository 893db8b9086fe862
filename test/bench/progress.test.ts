import test from 'ava';
import { inWords, progressLine, secondsLeft } from '../../bench/progress.js';

test('progress: nothing is said of the time left while nothing is known', (t) => {
  t.is(secondsLeft(['a', 'b'], {}, {}), undefined);
  t.is(progressLine('a', { index: 0, total: 2 }, undefined), '[1 of 2] a');
});

test('progress: without an earlier run, suites to come are like those that are done', (t) => {
  t.is(secondsLeft(['c', 'd'], {}, { a: 10, b: 30 }), 40);
});

test('progress: an earlier run says how long each takes, this one how busy the machine is', (t) => {
  t.is(secondsLeft(['b', 'c'], { a: 10, b: 4, c: 6 }, {}), 10);
  t.is(secondsLeft(['b', 'c'], { a: 10, b: 4, c: 6 }, { a: 20 }), 20);
});

test('progress: seconds become minutes where seconds would be too exact', (t) => {
  t.deepEqual([0.2, 89, 90, 200].map(inWords), ['1 s', '89 s', '2 min', '3 min']);
  t.is(progressLine('b', { index: 1, total: 3 }, 12.3), '[2 of 3, about 13 s left] b');
});
