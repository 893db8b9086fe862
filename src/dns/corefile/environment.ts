/**
 * Variables of the environment in a word: `{%NAME%}` and `{$NAME}`.
 */

/** Names and values; what is not there is empty. */
export type Environment = Readonly<Record<string, string | undefined>>;

// A name has no opening brace, so that a text full of them is looked at once.
const PERCENT_FORM = /\{%([^%{}]+)%\}/g;
const DOLLAR_FORM = /\{\$([^{}]+)\}/g;

/**
 * Put values in place of names, first those of `{%NAME%}`, then those of `{$NAME}`.
 *
 * The value becomes part of the word, whatever it holds: it is not split, and is no brace and no
 * `import`. A value is not searched again for the form that it was put in for, so that a variable
 * that names itself ends. `{$}` and `{%%}` name nothing and stay.
 */
export function replaceEnvironment(text: string, env: Environment): string {
  if (!text.includes('{')) return text;
  const value = (_: string, name: string): string =>
    Object.hasOwn(env, name) ? (env[name] ?? '') : '';
  return text.replace(PERCENT_FORM, value).replace(DOLLAR_FORM, value);
}
