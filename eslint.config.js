/**
 * Two languages, two configurations: TypeScript is checked with its types; AssemblyScript is only
 * parsed, because `asc` is the judge of its types, and kept from whatever can allocate or throw.
 */
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const HOST = [
  'src/**/*.ts',
  'test/**/*.ts',
  'bench/**/*.ts',
  'scripts/**/*.ts',
  'examples/**/*.ts',
  'playground/**/*.ts',
];
const CORE = ['assembly/**/*.ts'];

const allocates = (selector, what) => ({
  selector,
  message: `The core does not allocate and does not throw: no ${what}.`,
});
const noArrays = allocates('ArrayExpression', 'array literals');
const noAllocation = [
  allocates('NewExpression', 'new'),
  allocates('TemplateLiteral', 'template literals'),
  allocates('ArrowFunctionExpression', 'closures'),
  allocates('FunctionExpression:not(MethodDefinition > FunctionExpression)', 'closures'),
  allocates('ThrowStatement', 'throw'),
  allocates('TryStatement', 'try'),
];
/** An array literal that `memory.data` turns into a data segment is a constant, not an object. */
const onlyStaticArrays = allocates(
  "ArrayExpression:not(CallExpression[callee.object.name='memory'][callee.property.name='data'] > *)",
  'array literals but the argument of memory.data',
);

/** Shape of a function: what a reader can hold in mind. */
const shape = {
  'max-depth': ['error', 3],
  'max-lines': ['error', { max: 400, skipBlankLines: true }],
};

export default defineConfig(
  { ignores: ['build/', 'node_modules/', 'docs/', 'examples/embed/{deno,bun}/'] },
  {
    files: HOST,
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      ...shape,
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Numbers read from rows and packets are the enums of abi.ts; they are cast nowhere.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      // Interfaces here are records of closures: there is no `this` to lose.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'max-params': ['error', 4],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Exports have names.' },
      ],
    },
  },
  {
    // A test may be as long as its cases; its fixtures may say a whole tuple in one line.
    files: ['test/**/*.ts'],
    rules: {
      'max-depth': 'off',
      'max-lines': 'off',
      'max-params': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: CORE,
    languageOptions: { parser: tseslint.parser },
    rules: { ...shape, 'no-restricted-syntax': ['error', ...noAllocation, noArrays] },
  },
  {
    // The contract is one file because it is compiled twice.
    files: ['assembly/abi.ts'],
    rules: { 'max-lines': 'off' },
  },
  {
    files: ['assembly/flow/{tcp-state,sctp-state,timeouts}.ts', 'assembly/wire/crc32c.ts'],
    rules: { 'no-restricted-syntax': ['error', ...noAllocation, onlyStaticArrays] },
  },
);
