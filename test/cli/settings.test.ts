import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  normalizeApiUrl,
  readSettings,
  resolveConnection,
  settingsPath,
  writeSettings,
} from '../../cli/settings.ts';
import { siteFolder } from '../support/site-folder.ts';

test('the file is readable by its owner only, and comes back as it was written', async () => {
  const env = { XDG_CONFIG_HOME: await siteFolder({}) };
  const settings = { apiUrl: 'https://api.example', tokens: { 'https://api.example': 'secret' } };
  const path = await writeSettings(env, settings);
  expect(path).toBe(settingsPath(env));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readSettings(env)).toEqual(settings);
  await writeSettings(env, { tokens: {} });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ tokens: {} });
});

test('flags win over the environment, the environment over the file, the file over this machine', async () => {
  const cwd = await siteFolder({ '.origan/control-api-token': 'local\n' });
  const env = { XDG_CONFIG_HOME: await siteFolder({}) };
  const resolve = async (flags = {}, more = {}): Promise<(string | undefined)[]> => {
    const { apiUrl, token } = await resolveConnection(flags, { ...env, ...more }, cwd);
    return [apiUrl, token];
  };
  expect(await resolve()).toEqual(['http://127.0.0.1:7780', 'local']);
  await writeSettings(env, { apiUrl: 'https://a.example', tokens: { 'https://a.example': 'A' } });
  expect(await resolve()).toEqual(['https://a.example', 'A']);
  expect(await resolve({}, { ORIGAN_TOKEN: 'E' })).toEqual(['https://a.example', 'E']);
  expect(await resolve({ token: 'F' }, { ORIGAN_TOKEN: 'E' })).toEqual(['https://a.example', 'F']);
  expect(await resolve({}, { ORIGAN_API_URL: 'https://b.example/' })).toEqual([
    'https://b.example',
    undefined,
  ]);
  expect(await resolve({ apiUrl: 'http://localhost:9' }, { ORIGAN_API_URL: 'https://b.example' })).toEqual([
    'http://localhost:9',
    'local',
  ]);
});

test("a local token that cannot be read is nobody's trouble who brings one", async () => {
  // A directory in its place: as unreadable as another user's file, whoever runs this.
  const cwd = await siteFolder({ '.origan/control-api-token/x': '' });
  const env = { XDG_CONFIG_HOME: await siteFolder({}) };
  expect(await resolveConnection({ token: 'F' }, env, cwd)).toMatchObject({ token: 'F' });
  expect(await resolveConnection({}, { ...env, ORIGAN_TOKEN: 'E' }, cwd)).toMatchObject({ token: 'E' });
  await expect(resolveConnection({}, env, cwd)).rejects.toMatchObject({ code: 'UNREADABLE' });
});

test.each(['ftp://a', 'a.example', 'http://user:secret@a.example', 'http://a/?x=1', ''])(
  '%j is no address',
  (text) => {
    expect(() => normalizeApiUrl(text, '--api-url')).toThrow('must be an http(s) URL');
  },
);

test('slashes at the end and the version do not make another address', () => {
  for (const text of [
    'https://a.example',
    'https://A.example/',
    'https://a.example/v1',
    'https://a.example/v1/',
  ]) {
    expect(normalizeApiUrl(text, '')).toBe('https://a.example');
  }
});

test('a broken file says so', async () => {
  const home = await siteFolder({ 'origan/config.json': '{' });
  await expect(readSettings({ XDG_CONFIG_HOME: home })).rejects.toThrow(join(home, 'origan/config.json'));
});
