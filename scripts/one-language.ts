/** A plugin of esbuild for what we bundle. */
import type { Plugin } from 'esbuild';

/** zod speaks sixty languages; its complaints are in our own words (src/validate.ts). */
export const oneLanguage: Plugin = {
  name: 'one-language',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/zod\/v4\/locales\/[^/]*\.js$/ }, ({ path }) =>
      /\/(?:en|index)\.js$/.test(path) ? undefined : { contents: 'export default () => ({});' },
    );
  },
};
