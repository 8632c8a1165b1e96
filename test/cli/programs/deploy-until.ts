// Deploys a folder and stops dead, as by SIGKILL, at the event named: argv is URL, token, folder, project, event.
import { createControlApiClient } from '../../../cli/control-api-client.ts';
import { deploySite } from '../../../cli/deploy.ts';

const [apiUrl = '', token = '', directory = '', project = '', last = ''] = process.argv.slice(2);

let uploads = 0;
const client = createControlApiClient({ apiUrl, token });
await deploySite({ directory, project }, client, ({ kind }) => {
  if (kind === 'uploading') uploads += 1;
  // Uploads run several at once: in their midst, with some done and some under way.
  if (kind === last && (kind !== 'uploading' || uploads === 10)) process.kill(process.pid, 'SIGKILL');
});
