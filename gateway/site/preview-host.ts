import { withoutPort } from '../../core/host.ts';

/**
 * Whether a host shows a build for looking at it and not for the public: `{8 chars}--{ref}.D` (one deployment) and
 * `{track}--{ref}.D` (a track), where D is the deploy domain. A project's own host is `{ref}.D`.
 */
export function isPreviewHost(host: string, deployDomain: string | undefined): boolean {
  if (deployDomain === undefined) return false;
  const suffix = `.${withoutPort(deployDomain)}`;
  const name = withoutPort(host);
  if (!name.endsWith(suffix)) return false;
  const label = name.slice(0, -suffix.length);
  return !label.includes('.') && /^[a-z0-9-]+--[a-z]{10}$/.test(label);
}
