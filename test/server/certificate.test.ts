import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Certificate } from '../../src/server/http/tls.ts';
import { RecordingLogger, startApp } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { until } from '../support/wait.ts';
import { type CertificateStage, openCertificateStage } from './certificate-stage.ts';

const dayMs = 86_400_000;

let stage: CertificateStage;
const closing: Certificate[] = [];

beforeAll(async () => {
  stage = await openCertificateStage();
});
beforeEach(() => stage.use(stage.first));
afterEach(() => {
  for (const certificate of closing.splice(0)) certificate.close();
});
afterAll(() => stage.remove());

/** A certificate that is watched, by a clock that stands still. */
function watched(aheadMs = 0) {
  const clock = new ManualClock(Date.now() + aheadMs);
  const logger = new RecordingLogger();
  const certificate = new Certificate({ certFile: stage.tlsCertFile, keyFile: stage.tlsKeyFile }, { clock, logger });
  closing.push(certificate);
  const look = async () => {
    await clock.advance(1_000);
    await until('the look is over', () => clock.sleepers === 1);
  };
  const said = (text: string) => logger.lines.filter(({ message }) => message.startsWith(text));
  return { clock, look, said };
}

const problem = 'the certificate cannot be read again; the one from before stays';
const renewal = 'certificate read again';

test('files that are replaced one after the other are no problem, and the same ones no news', async () => {
  const { look, said } = watched();
  copyFileSync(stage.second.certPath, stage.tlsCertFile);
  await look();
  expect(said(renewal)).toHaveLength(0);
  copyFileSync(stage.second.keyPath, stage.tlsKeyFile);
  for (let looks = 0; looks < 3; looks++) await look();
  expect(said(renewal)).toHaveLength(1);
  expect(said(problem)).toEqual([]);
});

test.each([
  [
    'do not fit each other',
    () => copyFileSync(stage.second.certPath, stage.tlsCertFile),
    /^tlsKeyFile: .*not the key of/,
  ],
  ['hold no certificate', () => writeFileSync(stage.tlsCertFile, 'hello'), /^tlsCertFile: .*no certificate as PEM/],
  ['hold no key', () => writeFileSync(stage.tlsKeyFile, 'hello'), /^tlsKeyFile: .*no private key as PEM without/],
  ['are gone', () => rmSync(stage.tlsKeyFile), /^tlsKeyFile: .*ENOENT/],
])('files that %s change nothing but the log, and that once, until they are mended', async (_what, spoil, reason) => {
  const { look, said } = watched();
  spoil();
  for (let looks = 0; looks < 4; looks++) await look();
  expect(said(problem)).toEqual([
    { level: 'error', message: problem, fields: { problem: expect.stringMatching(reason) } },
  ]);
  expect(said(renewal)).toEqual([]);
  stage.use(stage.second);
  await look();
  expect(said(renewal)).toHaveLength(1);
});

test('the end of a certificate is told once, two weeks before it and when it has come', async () => {
  const { clock, look, said } = watched(-30 * dayMs);
  const levels = () => said('the certificate').map(({ level }) => level);
  await look();
  expect(levels()).toEqual([]);
  for (const expected of [['warn'], ['warn', 'error']]) {
    clock.set(clock.now() + 20 * dayMs);
    for (let looks = 0; looks < 3; looks++) await look();
    expect(levels()).toEqual(expected);
  }
});

describe('at the start', () => {
  test.each([
    ['a file that is not there', () => ({ tlsCertFile: '/nowhere/cert.pem' }), /^tlsCertFile: .*ENOENT/],
    [
      'a key of another certificate',
      () => ({ tlsKeyFile: stage.second.keyPath }),
      /^tlsKeyFile: .*not the key of the first/,
    ],
    [
      'a file without a certificate',
      () => ({ tlsCertFile: stage.first.keyPath }),
      /^tlsCertFile: .*no certificate as PEM/,
    ],
    ['a file without a key', () => ({ tlsKeyFile: stage.first.certPath }), /^tlsKeyFile: .*no private key as PEM/],
    ['a certificate alone', () => ({ tlsKeyFile: null }), /^tlsCertFile is .*, so tlsKeyFile .*must be set/],
    ['a key alone', () => ({ tlsCertFile: null }), /^tlsKeyFile is .*, so tlsCertFile .*must be set/],
  ])('%s is refused', async (_what, options, message) => {
    const { tlsCertFile, tlsKeyFile } = stage;
    await expect(startApp({ tlsCertFile, tlsKeyFile, ...options() })).rejects.toThrow(message);
  });
});
