import { accessOperations } from './access-operations.ts';
import { adminOperations } from './admin-operations.ts';
import { buildOperations } from './build-operations.ts';
import { deploymentOperations } from './deployment-operations.ts';
import { domainOperations } from './domain-operations.ts';
import { environmentOperations } from './environment-operations.ts';
import { gatewayOperations } from './gateway-operations.ts';
import { githubOperations } from './github-operations.ts';
import { logOperations } from './log-operations.ts';
import type { Operation } from './operation.ts';
import { projectOperations } from './project-operations.ts';
import { trackOperations } from './track-operations.ts';

/** Everything that the control API can do, apart from the upload of objects, whose body is no JSON. */
export const allOperations: readonly Operation[] = [
  ...gatewayOperations,
  ...projectOperations,
  ...trackOperations,
  ...deploymentOperations,
  ...domainOperations,
  ...environmentOperations,
  ...buildOperations,
  ...logOperations,
  ...githubOperations,
  ...accessOperations,
  ...adminOperations,
];
