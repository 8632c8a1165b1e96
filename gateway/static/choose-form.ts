import type { IncomingHttpHeaders } from 'node:http';
import type { CompiledFile } from '../site/compile-site.ts';
import { entityTag } from './etag.ts';
import type { Form, FormFinder } from './find-form.ts';
import { acceptedCodings } from './negotiate.ts';
import type { Validators } from './preconditions.ts';
import { ifRangeHolds, parseRange, type RangeSpec } from './ranges.ts';

/** The form that suits a request, and the part of it that is wanted; no form where none is acceptable. */
export type Choice = { form: Form | undefined; range: RangeSpec | undefined };

export type ChoiceRequest = {
  method: string;
  headers: IncomingHttpHeaders;
  file: CompiledFile;
  /** Whether ranges are served at all: not of error pages. */
  hasRanges: boolean;
  nowMs: number;
};

/** Ranges are of the identity form; where none applies, the client's accepted codings decide. */
export async function chooseForm(forms: FormFinder, request: ChoiceRequest): Promise<Choice> {
  const codings = acceptedCodings(joined(request.headers['accept-encoding']));
  const range = rangeOf(request);
  if (range !== undefined && codings.includes('identity')) {
    const form = await forms.find(request.file, ['identity']);
    const ifRange = joined(request.headers['if-range']);
    if (form !== undefined && ifRangeHolds(ifRange, validatorsOf(form), request.nowMs))
      return { form, range };
  }
  return { form: await forms.find(request.file, codings), range: undefined };
}

/** RFC 9110 section 14.2: a Range of any other method than GET is ignored. */
function rangeOf({ method, headers, hasRanges }: ChoiceRequest): RangeSpec | undefined {
  const { range } = headers;
  return range === undefined || method !== 'GET' || !hasRanges ? undefined : parseRange(range);
}

export function validatorsOf({ hash, coding, lastModifiedMs }: Form): Validators {
  return { etag: hash === undefined ? undefined : entityTag(hash, coding), lastModifiedMs };
}

/** Some fields are lists to Node and single values to others. */
export function joined(field: string | string[] | undefined): string | undefined {
  return Array.isArray(field) ? field.join(', ') : field;
}
