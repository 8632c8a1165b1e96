import { isPlainPath } from '../decode-path.ts';
import type { FlatHeaders } from '../exchange.ts';
import { readyHead } from '../server/ready-answer.ts';
import type { CompiledSite } from '../site/compile-site.ts';
import type { FileMatch } from '../site/match-route.ts';
import { notModifiedHeaders } from './build-headers.ts';
import { validatorsOf } from './choose-form.ts';
import type { Form, FormFinder } from './find-form.ts';
import { CODINGS } from './negotiate.ts';
import type { ReadyForms } from './ready-form.ts';

export const HIT_STATUS = 'origan-edge; hit';
const REQUEST_ID = 'X-Origan-Request-Id: ';

export type Served = { site: CompiledSite; match: FileMatch; form: Form; headers: FlatHeaders };

/**
 * Keeps what was just worked out for a file at its own path, so that the next request for it need not do so. The
 * headers depend on site, path and form only, so they are the same for whoever asks.
 */
export function keepReady(forms: FormFinder, { site, match, form, headers }: Served): void {
  const { entry, file } = match;
  const { etag } = validatorsOf(form);
  if (entry?.kind !== 'file' || form.source.kind !== 'memory' || etag === undefined) return;
  // Such a page sets a cookie, or not, by request.
  if (site.record.config.pinByCookie === true && file.contentType.startsWith('text/html')) return;
  // Only what a request can be compared with as it comes; forced rules go before files.
  if (!isPlainPath(entry.path) || site.redirects.mayForce(entry.path)) return;
  const ready: ReadyForms = (entry.ready ??= {});
  for (const coding of CODINGS) if (forms.lacks(file, coding)) ready[coding] = 'absent';
  const status = ['Cache-Status', HIT_STATUS];
  const ok = readyHead(200, [...headers, 'Content-Length', String(form.size), ...status]);
  const notModified = readyHead(304, [...notModifiedHeaders(headers), ...status]);
  if (ok === undefined || notModified === undefined || ok.hasDate === true) return;
  ready[form.coding] ??= {
    contentId: form.source.contentId,
    size: form.size,
    etag,
    ok: ok.head + REQUEST_ID,
    notModified: notModified.head + REQUEST_ID,
  };
}
