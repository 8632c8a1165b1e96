import { relative, sep } from 'node:path';
import type { Manifest } from '../contracts/manifest.ts';
import { buildFunctions } from './build-functions.ts';
import { buildManifest, type HashedFile } from './build-manifest.ts';
import { CliError, EXIT } from './cli-error.ts';
import { compileRules, RULE_FILES } from './compile-rules.ts';
import { findLayout } from './find-layout.ts';
import { hashFound } from './hash-file.ts';
import { mapConcurrently } from './map-concurrently.ts';
import { scanDirectory, type ScanLimits, type ScannedFile, type SkippedEntry } from './scan-directory.ts';

/** Where the bytes of an object are: on disk, or in memory for code that was bundled. */
export type Content = {
  size: number;
  source: { kind: 'file'; path: string } | { kind: 'bytes'; bytes: Buffer };
};

/** A folder ready to be deployed. */
export type BuiltSite = {
  directory: string;
  manifest: Manifest;
  /** Every object by its SHA-256: a content that several files share is there once. */
  contents: Map<string, Content>;
  files: number;
  functions: number;
  totalBytes: number;
  skipped: SkippedEntry[];
  warnings: string[];
};

export type BuildSiteOptions = {
  directory: string;
  /** Folder of the functions; false: none; absent: by convention. */
  functions?: string | false | undefined;
  limits?: ScanLimits | undefined;
};

const HASHES_AT_ONCE = 8;

/** Scans, bundles, hashes and compiles a folder. Writes nothing and asks nobody. @throws CliError */
export async function buildSite(options: BuildSiteOptions): Promise<BuiltSite> {
  const layout = await findLayout(options.directory, options.functions);
  const scan = await scanDirectory(layout.directory, options.limits);
  const built = await buildFunctions(layout.functionFolders, layout.server);
  const published = scan.files.filter(({ path }) => isPublished(path, layout.directory, built.directory));
  if (published.length + built.functions.length === 0) throw nothingToDeploy(layout.directory);
  const contents = new Map<string, Content>();
  const files = await mapConcurrently(published, HASHES_AT_ONCE, (file) => hashInto(contents, file));
  for (const { hash, code } of built.functions) {
    contents.set(hash, { size: code.length, source: { kind: 'bytes', bytes: code } });
  }
  const rules = await compileRules(layout.directory, layout.config);
  const { manifest, warnings } = buildManifest({
    files,
    functions: built.functions,
    rules,
    config: layout.config,
  });
  return {
    directory: layout.directory,
    manifest,
    contents,
    files: files.length,
    functions: built.functions.length,
    totalBytes: sum(files.map(({ size }) => size)) + sum(built.functions.map(({ code }) => code.length)),
    skipped: scan.skipped,
    warnings: [...built.warnings, ...warnings],
  };
}

function isPublished(path: string, directory: string, functions: string | undefined): boolean {
  if (RULE_FILES.includes(path)) return false;
  if (functions === undefined) return true;
  const inside = relative(directory, functions).split(sep).join('/');
  return !path.startsWith(`${inside}/`);
}

async function hashInto(contents: Map<string, Content>, file: ScannedFile): Promise<HashedFile> {
  const { hash, size } = await hashFound(file);
  contents.set(hash, { size, source: { kind: 'file', path: file.absolutePath } });
  return { path: file.path, hash, size };
}

function nothingToDeploy(directory: string): CliError {
  return new CliError('NOTHING_TO_DEPLOY', `${directory} holds no files to deploy.`, {
    exitCode: EXIT.usage,
    hint: 'Build the site first, or name the folder that holds it.',
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
