import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../core/log.ts';
import { createBucketCredentials, type BucketCredentials } from '../../../gateway/tls/bucket-credentials.ts';
import { openFileCredential } from '../../../gateway/tls/file-credential.ts';
import { createDirectoryStore } from '../../../store/directory-store.ts';
import { makeCertificates, type Certificates } from '../../support/make-certificates.ts';
import { manualClock, type ManualClock } from '../../support/manual-clock.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { watchStore, type WatchedStore } from '../../support/watched-store.ts';

const NAME = 'shop.example';
const OTHER = 'www.shop.example';
const log = silentLogger();
let folder: TempDir;
let first: Certificates;
let second: Certificates;
let store: WatchedStore;
let clock: ManualClock;
let credentials: BucketCredentials;
let round = 0;

beforeAll(async () => {
  folder = await makeTempDir('credentials');
  first = await issue('first', NAME);
  second = await issue('second', OTHER);
});
afterAll(() => folder.remove());

beforeEach(async () => {
  round += 1;
  const bucket = join(folder.path, `bucket-${round}`);
  await mkdir(bucket);
  store = watchStore(createDirectoryStore(bucket, log));
  clock = manualClock();
  // The library takes a start of 0 for none.
  clock.advance(1);
  credentials = createBucketCredentials({ store, log, clock });
});

async function issue(name: string, host: string): Promise<Certificates> {
  const directory = join(folder.path, name);
  await mkdir(directory);
  return makeCertificates(directory, host);
}

async function publish({ cert, key }: Certificates): Promise<void> {
  await store.put(`certificates/${NAME}/certificate.pem`, await readFile(cert));
  await store.put(`certificates/${NAME}/private-key.pem`, await readFile(key));
}

test('a hundred handshakes at once read the bucket once, later ones not at all', async () => {
  await publish(first);
  const found = await Promise.all(Array.from({ length: 100 }, () => credentials.find(NAME)));
  expect(new Set(found).size).toBe(1);
  expect(found[0]?.covers(NAME)).toBe(true);
  await credentials.find(NAME);
  const files = store.calls.map(({ key }) => key.split('/').at(-1));
  const names = ['certificate.pem', 'chain.pem', expect.stringMatching(/^private-key-[0-9a-f]{64}\.pem$/)];
  expect(files).toHaveLength(4);
  expect(files).toEqual(expect.arrayContaining([...names, 'private-key.pem']));
});

test('a renewed one is used soon, and until then nobody waits', async () => {
  await publish(first);
  await credentials.find(NAME);
  await publish(second);
  clock.advance(600_000);
  expect((await credentials.find(NAME))?.covers(NAME)).toBe(true);
  await vi.waitFor(async () => {
    expect((await credentials.find(NAME))?.covers(OTHER)).toBe(true);
  }, 50_000);
});

test('while the bucket fails, or has what cannot be used, the one in memory stays', async () => {
  await publish(first);
  await credentials.find(NAME);
  store.isFailing = true;
  clock.advance(600_000);
  expect((await credentials.find(NAME))?.covers(NAME)).toBe(true);
  store.isFailing = false;
  await store.put(`certificates/${NAME}/certificate.pem`, Buffer.from('half of a'));
  for (let again = 0; again < 5; again += 1) {
    clock.advance(600_000);
    expect((await credentials.find(NAME))?.covers(NAME)).toBe(true);
    await new Promise(setImmediate);
  }
});

test('a name without one is asked for again only after a while, then at once', async () => {
  expect(await credentials.find(NAME)).toBeUndefined();
  expect(await credentials.find(NAME)).toBeUndefined();
  expect(store.calls).toHaveLength(1);
  await publish(first);
  clock.advance(10_000);
  expect((await credentials.find(NAME))?.covers(NAME)).toBe(true);
});

test('names that nobody has cannot keep the bucket busy', async () => {
  let open = (): void => {};
  store.gate = new Promise((resolve) => (open = resolve));
  const names = Array.from({ length: 500 }, (_, index) => `n${index}.example`);
  const looked = Promise.allSettled(names.map((name) => credentials.find(name)));
  await vi.waitFor(() => expect(store.calls.length).toBeGreaterThan(0), 50_000);
  expect(store.calls.length).toBeLessThanOrEqual(32);
  open();
  const refused = (await looked).filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(500 - store.calls.length);
});

test('a key that is not the certificate’s is refused', async () => {
  await publish({ ...first, key: second.key });
  await expect(credentials.find(NAME)).rejects.toThrow('the private key belongs to another certificate');
});

test('files are read again when they change; what cannot be used leaves the old one', async () => {
  const [certFile, keyFile] = [join(folder.path, 'live.pem'), join(folder.path, 'live.key')];
  await copyFile(first.cert, certFile);
  await copyFile(first.key, keyFile);
  const onRenewed = vi.fn();
  const { credential } = await openFileCredential({ certFile, keyFile, log, onRenewed, lookEveryMs: 5 });
  await writeFile(certFile, 'half of a');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(credential.current().covers(NAME)).toBe(true);
  await copyFile(second.cert, certFile);
  await copyFile(second.key, keyFile);
  await vi.waitFor(() => expect(credential.current().covers(OTHER)).toBe(true), 50_000);
  expect(onRenewed).toHaveBeenCalledTimes(1);
  credential.close();
});

test('a file that hangs is waited for once: looks do not pile up, nor overtake each other', async () => {
  const [certFile, keyFile] = ['pem', 'key'].map((name) => join(folder.path, `hanging-${round}.${name}`)) as [
    string,
    string,
  ];
  await copyFile(first.cert, certFile);
  await copyFile(first.key, keyFile);
  const onRenewed = vi.fn();
  const { credential } = await openFileCredential({ certFile, keyFile, log, onRenewed, lookEveryMs: 5 });
  // Whoever opens a pipe to read waits for one who writes; four of them are all the threads that the file system has.
  const pipe = join(folder.path, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await rename(pipe, certFile);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await readFile(first.key)).length).toBeGreaterThan(0);
  credential.close();
  // Lets go who waits.
  await vi.waitFor(() => closeSync(openSync(certFile, constants.O_WRONLY | constants.O_NONBLOCK)), 50_000);
  expect(onRenewed).not.toHaveBeenCalled();
});

test('a file that is missing or belongs to another key names its variable', async () => {
  const open = (certFile: string, keyFile: string): Promise<unknown> =>
    openFileCredential({ certFile, keyFile, log, onRenewed: () => {} });
  const missing = /^TLS_CERT_FILE: \/nowhere\.pem cannot be read \(ENOENT\)/;
  await expect(open('/nowhere.pem', first.key)).rejects.toThrow(missing);
  const foreign = /TLS_CERT_FILE .*TLS_KEY_FILE .*another certificate/;
  await expect(open(first.cert, second.key)).rejects.toThrow(foreign);
});
