import type { EntityTag } from './etag.ts';
import type { Coding } from './negotiate.ts';

/** One form of a file with its headers put together: what a request costs is a look-up of the bytes. */
export type ReadyForm = {
  /** Key of the bytes in the content cache; they may be gone from it. */
  contentId: string;
  size: number;
  etag: EntityTag;
  /** Heads of 200 and of 304, as text and complete up to the value of the last field, the request id. */
  ok: string;
  notModified: string;
};

/** `absent`: the file has no such form and never will. */
export type ReadyForms = { [Name in Coding]?: ReadyForm | 'absent' };
