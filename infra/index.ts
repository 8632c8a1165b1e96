import * as pulumi from '@pulumi/pulumi';
import { createPlatform } from './src/platform/platform.ts';
import { readSettings } from './src/platform/settings.ts';

const platform = createPlatform(readSettings(new pulumi.Config()));

/** CACHE_URL of the programs. */
export const cacheEndpoint: pulumi.Output<string> = platform.cacheEndpoint;
/** Where the domains of sites have to point. */
export const gatewayAddress: pulumi.Output<string | undefined> = platform.gatewayAddress;
