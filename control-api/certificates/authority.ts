import type * as AcmeLibrary from 'acme-client';
import type { Authorization, Client, Order } from 'acme-client';
import type { Context } from '../context.ts';
import { noteAccountUrl, readAccount } from './account.ts';
import { isAccountGone, openTransport, overTransport, send } from './acme-transport.ts';
import type { AcmeSettings } from './config.ts';
import { makeKey } from './keys.ts';

/** What is asked of a certificate authority. Everything throws CertificateFailure. */
export type Authority = {
  newOrder(host: string): Promise<Order>;
  readOrder(url: string): Promise<Order>;
  readAuthorizations(order: Order): Promise<Authorization[]>;
  /** `{token}.{thumbprint}` (RFC 8555 section 8.1). */
  keyAuthorization(challenge: Authorization['challenges'][number]): Promise<string>;
  /** Says that the proof is in its place. */
  prove(challenge: Authorization['challenges'][number]): Promise<void>;
  finalize(order: Order, host: string, key: string): Promise<void>;
  /** The certificate and what leads to its root, PEM. */
  download(order: Order): Promise<string>;
  /** Whether the directory answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

type Acme = typeof AcmeLibrary;

/** Nothing is loaded, and nobody asked, before the first call. */
export function createAuthority(
  context: Pick<Context, 'db' | 'log'>,
  settings: AcmeSettings,
  signal: AbortSignal,
): Authority {
  const transport = openTransport(settings.ca);
  let registered: Promise<Client> | undefined;

  /** Once for the process: a failure is forgotten, so that the next call tries again. */
  const client = async (): Promise<Client> => {
    const opened = (registered ??= register(context, settings));
    try {
      return await opened;
    } catch (error) {
      if (registered === opened) registered = undefined;
      throw error;
    }
  };
  const ask = <Result>(work: (client: Client, acme: Acme) => Promise<Result>): Promise<Result> =>
    overTransport({ transport, signal }, async () => {
      try {
        return await work(await client(), await loadAcme());
      } catch (error) {
        if (isAccountGone(error)) {
          registered = undefined;
          await noteAccountUrl(context, settings, null);
        }
        throw error;
      }
    });
  return {
    newOrder: (host) => ask((acme) => acme.createOrder({ identifiers: [{ type: 'dns', value: host }] })),
    // The library reads nothing of an order but its URL.
    readOrder: (url) => ask((acme) => acme.getOrder({ url } as Order)),
    readAuthorizations: (order) => ask((acme) => acme.getAuthorizations(order)),
    keyAuthorization: (challenge) => ask((acme) => acme.getChallengeKeyAuthorization(challenge)),
    prove: (challenge) => ask(async (acme) => void (await acme.completeChallenge(challenge))),
    finalize: (order, host, key) =>
      ask(async (acme, { crypto }) => {
        const [, csr] = await crypto.createCsr({ altNames: [host] }, key);
        await acme.finalizeOrder(order, csr);
      }),
    download: (order) => ask((acme) => acme.getCertificate(order)),
    ping: () =>
      overTransport({ transport, signal }, async () => {
        const { Client: AnyClient } = await loadAcme();
        // What is not signed needs a key that signs nothing.
        const { directoryUrl } = settings;
        await new AnyClient({ directoryUrl, accountKey: makeKey() }).getTermsOfServiceUrl();
      }),
    close: () => transport.close(),
  };
}

/** Whoever orders no certificates does not pay for the library's loading. */
async function loadAcme(): Promise<Acme> {
  const acme = await import('acme-client');
  acme.axios.defaults.adapter = send;
  return acme;
}

async function register(context: Pick<Context, 'db' | 'log'>, settings: AcmeSettings): Promise<Client> {
  const { Client: AnyClient } = await loadAcme();
  const { directoryUrl, contact, binding } = settings;
  const account = await readAccount(context, settings);
  const client = new AnyClient({
    directoryUrl,
    accountKey: account.key,
    ...(binding === undefined ? {} : { externalAccountBinding: binding }),
    ...(account.url === undefined ? {} : { accountUrl: account.url }),
  });
  // An account that is there already is only told of the contacts.
  await client.createAccount({ termsOfServiceAgreed: true, contact: [...contact] });
  const url = client.getAccountUrl();
  if (url !== account.url) {
    await noteAccountUrl(context, settings, url);
    context.log.info({ directoryUrl, accountUrl: url }, 'registered with the certificate authority');
  }
  return client;
}
