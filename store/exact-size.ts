import { Transform, pipeline, type Readable } from 'node:stream';

/**
 * The stream, failing as soon as it turns out longer or shorter than it was said to be: a half-written object
 * must not be stored as if it were whole. `onError` hears of it, and of a source that breaks: for a reader that
 * does not pass the errors of a stream on.
 */
export function withExactSize(source: Readable, size: number, onError?: (error: Error) => void): Readable {
  let seen = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      if (seen > size) done(new Error(`the stream is longer than the ${size} bytes announced`));
      else done(null, chunk);
    },
    flush(done) {
      done(seen === size ? null : new Error(`the stream ended after ${seen} of ${size} bytes announced`));
    },
  });
  return pipeline(source, counter, (error) => {
    if (error) onError?.(error);
  });
}
