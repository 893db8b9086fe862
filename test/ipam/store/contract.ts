/** What every store promises, claimed for one kind of it. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Store } from '../../../src/ipam/store/store.js';
import type { Declare } from '../../support/skip.js';
import { kindOf } from './kind-of.js';

export interface Opened {
  /** Two clients of one empty store. */
  readonly stores: readonly [Store, Store];
  close(): Promise<void>;
}

const value = (n: number) => ({ n, list: [n], text: 'ä' });

export function storeClaims(
  name: string,
  open: (t: ExecutionContext) => Promise<Opened>,
  declare: Declare = (title, body) => {
    test(title, body);
  },
): void {
  const claim = (title: string, run: (t: ExecutionContext, stores: Opened['stores']) => unknown) =>
    declare(`store: ${name}: ${title}`, async (t) => {
      const opened = await open(t);
      try {
        await run(t, opened.stores);
      } finally {
        for (const store of opened.stores) await store.close();
        await opened.close();
      }
    });

  claim('what one client writes the other reads', async (t, [a, b]) => {
    t.is(await a.get('blocks/x'), undefined);
    const made = await a.create('blocks/x', value(1));
    t.deepEqual(await b.get('blocks/x'), made);
    const next = await b.update('blocks/x', value(2), made.revision);
    t.not(next.revision, made.revision);
    t.deepEqual(await a.get('blocks/x'), { ...next, value: value(2) });
  });

  claim('a key is created once, an old revision changes nothing', async (t, [a, b]) => {
    const made = await a.create('blocks/x', value(1));
    t.is(await kindOf(b.create('blocks/x', value(2))), 'conflict');
    await a.update('blocks/x', value(3), made.revision);
    t.is(await kindOf(b.update('blocks/x', value(4), made.revision)), 'conflict');
    t.is(await kindOf(b.delete('blocks/x', made.revision)), 'conflict');
    t.deepEqual((await b.get('blocks/x'))?.value, value(3));
  });

  claim('what is deleted is missing, and its revision does not come back', async (t, [a, b]) => {
    const first = await a.create('blocks/x', value(1));
    await b.delete('blocks/x', first.revision);
    t.is(await a.get('blocks/x'), undefined);
    t.is(await kindOf(a.update('blocks/x', value(2), first.revision)), 'missing');
    t.is(await kindOf(a.delete('blocks/x', first.revision)), 'missing');
    const second = await a.create('blocks/x', value(3));
    t.not(second.revision, first.revision);
    t.is(await kindOf(b.update('blocks/x', value(4), first.revision)), 'conflict');
  });

  claim('a folder is listed without its neighbours', async (t, [a, b]) => {
    await a.create('blocks/10.0.0.0-26', value(1));
    await a.create('blocks/fd00--40-122', value(2));
    const made = await a.create('pools/blocks', value(3));
    const gone = await a.create('blocks/gone', value(4));
    await a.delete('blocks/gone', gone.revision);
    const keys = (await b.list('blocks')).map(({ key }) => key).sort();
    t.deepEqual(keys, ['blocks/10.0.0.0-26', 'blocks/fd00--40-122']);
    t.deepEqual(await b.list('pools'), [made]);
    t.deepEqual(await b.list('reservations'), []);
  });

  claim('of many that change one revision exactly one succeeds', async (t, stores) => {
    for (let round = 0; round < 5; round++) {
      const key = `blocks/r${round}` as const;
      const creations = Array.from({ length: 8 }, (_, i) =>
        kindOf((i % 2 ? stores[0] : stores[1]).create(key, value(i))),
      );
      t.is((await Promise.all(creations)).filter((kind) => kind === 'fine').length, 1);
      const revision = (await stores[0].get(key))?.revision ?? '';
      const updates = Array.from({ length: 8 }, (_, i) =>
        kindOf((i % 2 ? stores[0] : stores[1]).update(key, value(i), revision)),
      );
      t.is((await Promise.all(updates)).filter((kind) => kind === 'fine').length, 1);
    }
  });

  claim('a counter that many raise loses no count', async (t, stores) => {
    await stores[0].create('blocks/count', { n: 0 });
    const raise = async (store: Store) => {
      for (;;) {
        const found = await store.get('blocks/count');
        if (found === undefined) throw new Error('gone');
        const next = { n: Number(found.value['n']) + 1 };
        const kind = await kindOf(store.update('blocks/count', next, found.revision));
        if (kind === 'fine') return;
        t.is(kind, 'conflict');
      }
    };
    const many = Array.from({ length: 20 }, (_, i) => raise(i % 2 ? stores[0] : stores[1]));
    await Promise.all(many);
    t.deepEqual((await stores[1].get('blocks/count'))?.value, { n: 20 });
  });

  claim('a name that is none is refused', async (t, [a]) => {
    for (const bad of ['blocks/../x', 'blocks/', 'blocks/A', 'other/x', 'blocks/-x'] as const) {
      t.is(await kindOf(a.get(bad as 'blocks/x')), 'refused', bad);
    }
  });
}
