import type { RedirectRule } from '../contracts/manifest.ts';
import { decodePattern } from '../contracts/path-pattern.ts';

export type CompiledRedirects = {
  rules: RedirectRule[];
  /** Whether `/* /index.html 200` asks for the single-page fallback. */
  isSpa: boolean;
  errors: string[];
};

const STATUSES: readonly number[] = [200, 301, 302, 303, 307, 308];

/** A line of `_redirects`, or an entry of `origan.json`, before it is checked. */
export type RawRedirect = {
  from: string;
  to: string;
  status: number;
  force?: boolean | undefined;
  where: string;
};

/** Reads `_redirects`: `source target [status][!]` on each line, `#` begins a comment, 302 by default. */
export function parseRedirectLines(text: string): { raw: RawRedirect[]; errors: string[] } {
  const raw: RawRedirect[] = [];
  const errors: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const fields = line
      .replace(/(?:^|\s)#.*$/, '')
      .trim()
      .split(/\s+/);
    if (fields.length === 1 && fields[0] === '') continue;
    const parsed = parseFields(fields, `_redirects line ${index + 1}`);
    if (typeof parsed === 'string') errors.push(parsed);
    else raw.push(parsed);
  }
  return { raw, errors };
}

/**
 * Rules as the manifest holds them. `/* /index.html 200`, the usual way to say "single-page application", becomes
 * the fallback and not a rule: as a rule it would answer before functions and turn missing assets into pages.
 */
export function compileRedirects(raw: readonly RawRedirect[]): CompiledRedirects {
  const compiled: CompiledRedirects = { rules: [], isSpa: false, errors: [] };
  for (const entry of raw) {
    const rule = toRule(entry);
    if (typeof rule === 'string') compiled.errors.push(rule);
    else if (isSpaRule(rule)) compiled.isSpa = true;
    else compiled.rules.push(rule);
  }
  return compiled;
}

function parseFields(fields: readonly string[], where: string): RawRedirect | string {
  const [from = '', to, statusText = '302', ...rest] = fields;
  if (to === undefined) return `${where}: ${from} has no target`;
  if (rest.length > 0 || /[=]/.test(statusText)) {
    return `${where}: only a source, a target and a status are supported, not conditions or query matches`;
  }
  const status = /^(\d{3})(!?)$/.exec(statusText);
  if (status === null) return `${where}: ${statusText} is no status`;
  return { from, to, status: Number(status[1]), force: status[2] === '!', where };
}

function toRule({ from, to, status, force, where }: RawRedirect): RedirectRule | string {
  if (/^https?:\/\//i.test(from))
    return `${where}: the source must be a path; redirect a whole domain at its DNS`;
  if (status === 404) return `${where}: for a page with status 404 add a 404.html to the folder`;
  if (!isRedirectStatus(status)) return `${where}: the status must be one of ${STATUSES.join(', ')}`;
  return { from: decodePattern(from), to, status, ...(force === true ? { force } : {}) };
}

function isRedirectStatus(status: number): status is RedirectRule['status'] {
  return STATUSES.includes(status);
}

function isSpaRule(rule: RedirectRule): boolean {
  return (
    rule.from === '/*' && rule.status === 200 && rule.force !== true && /^\/(?:index\.html)?$/.test(rule.to)
  );
}
