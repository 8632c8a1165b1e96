import { builtinModules } from 'node:module';
import type { Plugin } from 'esbuild';

const NAMESPACE = 'node-builtin';
const BUILTINS: ReadonlySet<string> = new Set(builtinModules);

/**
 * Leaves Node's own modules to the runner, which provides them, under their `node:` names. A `require` of one
 * becomes an import: an ES module in an isolate has no `require`, and esbuild's stand-in for it throws.
 */
export const nodeBuiltins: Plugin = {
  name: 'node builtins',
  setup(bundler) {
    bundler.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) => {
      const name = path.startsWith('node:') ? path.slice(5) : path;
      if (!path.startsWith('node:') && !BUILTINS.has(name)) return undefined;
      return kind === 'require-call'
        ? { path: `node:${name}`, namespace: NAMESPACE }
        : { path: `node:${name}`, external: true };
    });
    bundler.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
      contents: `import builtin from ${JSON.stringify(path)};\nmodule.exports = builtin;\n`,
      loader: 'js',
    }));
  },
};
