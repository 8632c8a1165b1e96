import type { FunctionResource } from '../../contracts/manifest.ts';
import type { Answer, FlatHeaders } from '../exchange.ts';
import type { CompiledFile, CompiledSite } from './compile-site.ts';
import { applyEdits, toEdit, withoutContent, type Field, type HeaderEdit } from './header-rules.ts';

/**
 * Step 11 for a function's answer: what the manifest sets for this function, and the site's header rules where it
 * opted in (`headersOnFunctions`). What the function itself sent gives way to them.
 */
export function editAnswer(
  answer: Answer,
  site: CompiledSite,
  { resource, path }: { resource: FunctionResource; path: string },
): Answer {
  // 101 hands the connection over: its headers belong to the handshake.
  if (answer.status === 101) return answer;
  const rules = site.record.config.headersOnFunctions === true ? site.headerRules.editsFor(path) : [];
  const own = resource.headers === undefined ? [] : [toEdit(Object.entries(resource.headers))];
  const preview = site.isPreview ? [toEdit([['X-Robots-Tag', 'noindex']])] : [];
  return withEdits(answer, [...preview, ...own, ...rules]);
}

/**
 * Step 11 for what the edge answers itself in the name of a site: redirects, OPTIONS, errors about its paths. Whoever
 * sets security headers means these too, and without the headers of CORS on OPTIONS no other site could ask for a file.
 *
 * @param file the one that the path shows, where the answer is about a file.
 */
export function editOwnAnswer(
  answer: Answer,
  site: CompiledSite,
  { path, file }: { path: string; file?: CompiledFile | undefined },
): Answer {
  const own = file?.resource.headers === undefined ? [] : [toEdit(Object.entries(file.resource.headers))];
  return withEdits(answer, [...own, ...site.headerRules.editsFor(path)].map(withoutContent));
}

function withEdits(answer: Answer, edits: readonly HeaderEdit[]): Answer {
  if (edits.length === 0) return answer;
  const headers = applyEdits(toFields(answer.headers), edits).flatMap(({ name, value }) => [name, value]);
  return { ...answer, headers };
}

function toFields(headers: FlatHeaders): Field[] {
  const fields: Field[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    fields.push({ name: headers[index] ?? '', value: headers[index + 1] ?? '', isDefault: true });
  }
  return fields;
}
