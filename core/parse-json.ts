/** What a text says as JSON; undefined when it is none, which is what a schema refuses then like any other wrong value. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
