import type { FunctionResource } from '../../contracts/manifest.ts';
import type { Answer, FlatHeaders } from '../exchange.ts';
import type { CompiledSite } from './compile-site.ts';
import { applyEdits, toEdit, type Field } from './header-rules.ts';

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
  const edits = [...preview, ...own, ...rules];
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
