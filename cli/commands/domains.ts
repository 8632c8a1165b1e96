import { Command } from 'commander';
import { deletedSchema, domainListSchema, domainSchema } from '../../contracts/control-api-answers.ts';
import { apiPaths, type AddDomain, type Domain } from '../../contracts/control-api.ts';
import { describeCertificate, describeProblems } from '../describe-certificate.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import { table } from '../format.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { requireDomain } from '../require-host.ts';
import { projectCommand } from './project-option.ts';

type DomainFlags = ProjectOptions & { track?: string; all?: boolean };

export function domainsCommand(context: CliContext): Command {
  return new Command('domains')
    .description('the hosts at which a project is shown')
    .addCommand(listCommand(context), { isDefault: true })
    .addCommand(addCommand(context))
    .addCommand(removeCommand(context));
}

function listCommand(context: CliContext): Command {
  return projectCommand('ls', 'list domains')
    .option('-a, --all', 'those of single deployments too')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<DomainFlags>();
      const path = apiPaths.domains(await projectOf(context, flags));
      const { domains } = await withClient(context, flags, (client) =>
        client.call({ method: 'GET', path, answer: domainListSchema, signal: context.signal }),
      );
      const shown = domains.filter(({ kind }) => flags.all === true || kind !== 'deployment');
      printResult(context, flags, { domains: shown }, () => describeList(shown, context.clock.nowMs()));
    });
}

function addCommand(context: CliContext): Command {
  return projectCommand('add', 'show a track at a host')
    .argument('<host>', 'such as www.example.com, or *.example.com for every name one level below')
    .option('-t, --track <name>', 'the track (default: production)')
    .action(async (host: string, _, command: Command) => {
      const flags = command.optsWithGlobals<DomainFlags>();
      const path = apiPaths.domains(await projectOf(context, flags));
      const body: AddDomain = {
        host: requireDomain(host),
        ...(flags.track === undefined ? {} : { track: flags.track }),
      };
      const domain = await withClient(context, flags, (client) =>
        client.call({ method: 'POST', path, answer: domainSchema, body, signal: context.signal }),
      );
      printResult(context, flags, domain, () => describeAdded(domain));
    });
}

function removeCommand(context: CliContext): Command {
  return projectCommand('rm', 'no longer show anything at a host')
    .argument('<host>')
    .action(async (host: string, _, command: Command) => {
      const flags = command.optsWithGlobals<DomainFlags>();
      const path = apiPaths.domain(await projectOf(context, flags), requireDomain(host));
      const removed = await withClient(context, flags, (client) =>
        client.call({ method: 'DELETE', path, answer: deletedSchema, signal: context.signal }),
      );
      printResult(context, flags, removed, () => `${removed.id} shows nothing any more.\n`);
    });
}

function describeAdded({ url, track, deploymentId, certificate }: Domain): string {
  const what = deploymentId === null ? 'nothing yet: deploy to it' : `deployment ${deploymentId.slice(0, 8)}`;
  const shows = `${url} shows the track ${track ?? 'production'}, which is ${what}.\n`;
  if (certificate === null) return shows;
  return certificate.state === 'unsupported'
    ? `${shows}No certificate is ordered for it: ${certificate.reason ?? ''}\n`
    : `${shows}Its certificate is ordered once its DNS points here: origan domains ls tells how far it is.\n`;
}

function describeList(domains: readonly Domain[], nowMs: number): string {
  if (domains.length === 0) return 'No domains yet: the first deploy makes some.\n';
  const areOrdered = domains.some(({ certificate }) => certificate !== null);
  const rows = domains.map(({ url, kind, track, deploymentId, rev, certificate }) => [
    url,
    kind,
    track ?? '',
    deploymentId?.slice(0, 8) ?? 'nothing',
    String(rev),
    ...(areOrdered ? [describeCertificate(certificate, nowMs)] : []),
  ]);
  const titles = ['URL', 'KIND', 'TRACK', 'SHOWS', 'REV', ...(areOrdered ? ['CERTIFICATE'] : [])];
  return table(titles, rows) + describeProblems(domains, nowMs);
}
