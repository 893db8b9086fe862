import { storeClaims } from './contract.js';
import { createMemoryStore } from './memory.js';

storeClaims('memory', () => {
  const { store } = createMemoryStore();
  return Promise.resolve({ stores: [store, store], close: () => Promise.resolve() });
});
