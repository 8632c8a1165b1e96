import { z } from 'zod';
import { existSchema, sweepReportSchema } from '../../contracts/control-api-admin.ts';
import { diagnosisSchema } from '../../contracts/diagnosis.ts';
import { diagnose } from '../diagnosis/diagnose.ts';
import { existing } from '../sweep/existing.ts';
import { sweep } from '../sweep/sweep.ts';
import { userOperation, type Operation } from './operation.ts';

const nothing = z.object({});

/** For the administrators of the installation. */
export const adminOperations: readonly Operation[] = [
  userOperation(
    {
      name: 'installation.diagnose',
      summary: 'Tries bucket, database, cache and bus as the control API uses them, and says what is wrong',
      method: 'POST',
      path: '/diagnosis',
      isAdminOnly: true,
      params: nothing,
      answer: diagnosisSchema,
    },
    (context) => diagnose(context),
  ),
  userOperation(
    {
      name: 'installation.sweep',
      summary: 'Collects at once what nothing needs any more, and puts right what crashes left behind',
      method: 'POST',
      path: '/sweep',
      isAdminOnly: true,
      params: nothing,
      answer: sweepReportSchema,
    },
    (context, { signal }) => sweep(context, signal),
  ),
  userOperation(
    {
      name: 'installation.exist',
      summary: 'Which of these deployments and projects exist: for sweepers of caches',
      method: 'POST',
      path: '/exist',
      isAdminOnly: true,
      params: nothing,
      body: existSchema,
      answer: existSchema,
    },
    ({ db }, { body }) => existing(db, body),
  ),
];
