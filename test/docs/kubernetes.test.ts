/*
 * deploy/kubernetes, without a cluster: every manifest against the types that are generated from the API of Kubernetes,
 * and all that the manifests say of Chord, of each other and of the image against what that is.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { table as metrics } from '../../src/observability/metrics.ts';
import { startApp, stopApps } from '../support/app.ts';
import { checkout, read } from './pages.ts';
import { outputOf } from './script.ts';

afterEach(stopApps);

const folder = 'deploy/kubernetes';
const files = readdirSync(join(checkout, folder)).filter((file) => file !== 'kustomization.yaml');

/** What a file says under a path of keys and indexes; undefined where it says nothing. */
function said(file: string, path: string): unknown {
  let value: unknown = parse(read(`${folder}/${file}`));
  for (const key of path.split('.')) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  }
  return value;
}

const inDeployment = (path: string) => said('deployment.yaml', path);
const inPod = (path: string) => inDeployment(`spec.template.spec.${path}`);
/** There is one. */
const inContainer = (path: string) => inPod(`containers.0.${path}`);
const inScaler = (path: string) => said('horizontal-pod-autoscaler.yaml', `spec.${path}`);
const msOf = (seconds: unknown) => Number(seconds) * 1000;

// A map of texts, or the second test would not take it.
const variables = said('config-map.yaml', 'data') as Readonly<Record<string, string>>;

/** What the process is configured with. */
function config(): Promise<Config> {
  return loadConfig({ argv: [], env: { ...variables, CHORD_REDIS_URL: 'redis://somewhere' }, cwd: tmpdir() });
}

test('every file is one manifest, and is applied', () => {
  for (const file of files) {
    expect([file, parseAllDocuments(read(`${folder}/${file}`)).length]).toEqual([file, 1]);
    expect([file, said(file, 'metadata.name')]).toEqual([file, 'chord']);
  }
  expect(new Set([said('kustomization.yaml', 'resources')].flat())).toEqual(new Set(files));
});

test('every manifest is what the API of Kubernetes takes, without a field that it does not know', async () => {
  const home = mkdtempSync(join(tmpdir(), 'chord-kubernetes-'));
  try {
    const types = dirname(createRequire(import.meta.url).resolve('kubernetes-types/package.json'));
    mkdirSync(join(home, 'node_modules'));
    symlinkSync(types, join(home, 'node_modules/kubernetes-types'));
    const compilerOptions = { strict: true, noEmit: true, module: 'esnext', moduleResolution: 'bundler', types: [] };
    writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    for (const file of files) {
      const [kind, version] = [String(said(file, 'kind')), String(said(file, 'apiVersion'))];
      // `networking.k8s.io/v1` is networking/v1, and `v1` is core/v1.
      const module = version.includes('/') ? version.replace('.k8s.io', '') : `core/${version}`;
      const text = JSON.stringify(parse(read(`${folder}/${file}`)), null, 2);
      const source = `import type { ${kind} } from 'kubernetes-types/${module}';\nexport const manifest: ${kind} = `;
      writeFileSync(join(home, `${file}.ts`), `${source}${text};\n`);
    }
    expect(await outputOf('node', [join(checkout, 'node_modules/typescript/bin/tsc'), '-p', home], home)).toBe('');
  } finally {
    rmSync(home, { recursive: true });
  }
}, 60_000);

test('the variables are options, with values that they take', async () => {
  expect(Object.keys(variables).filter((name) => !name.startsWith('CHORD_'))).toEqual([]);
  expect(inContainer('env.0.name')).toBe('CHORD_REDIS_URL');
  expect(await config()).toMatchObject({ backend: 'redis', allowAnonymous: false });
});

test('the ports are those of the options, and the probes ask what answers', async () => {
  const { port, metricsPort } = await config();
  expect(inContainer('ports')).toEqual([
    { name: 'http', containerPort: port },
    { name: 'metrics', containerPort: metricsPort },
  ]);
  expect(inDeployment('spec.template.metadata.annotations')).toMatchObject({
    'prometheus.io/port': String(metricsPort),
  });
  const { url } = await startApp();
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    expect(inContainer(`${probe}.httpGet.port`)).toBe('http');
    const path = String(inContainer(`${probe}.httpGet.path`));
    expect((await fetch(new URL(path, url))).status).toBe(200);
  }
  expect(said('service.yaml', 'spec.ports.0.targetPort')).toBe('http');
  expect(said('network-policy.yaml', 'spec.ingress.0.ports')).toEqual([{ port: 'http' }]);
  expect(said('network-policy.yaml', 'spec.ingress.1.ports')).toEqual([{ port: 'metrics' }]);
});

test('whoever ends a pod waits until it has ended by itself', async () => {
  const { drainDelayMs, drainTimeoutMs, drainSpreadMs } = await config();
  // src/main.ts gives up 5 s after that.
  const longestMs = msOf(inContainer('lifecycle.preStop.sleep.seconds')) + drainDelayMs + drainTimeoutMs + 5000;
  expect(msOf(inPod('terminationGracePeriodSeconds'))).toBeGreaterThan(longestMs);
  expect(drainSpreadMs).toBeLessThanOrEqual(drainTimeoutMs / 2);
});

test('a store that is slow to answer restarts nothing', async () => {
  const { redisTimeoutMs } = await config();
  const { periodSeconds, failureThreshold } = inContainer('startupProbe') as Readonly<Record<string, number>>;
  expect(msOf(periodSeconds) * Number(failureThreshold)).toBeGreaterThan(redisTimeoutMs);
  expect(msOf(inContainer('readinessProbe.timeoutSeconds'))).toBeGreaterThan(redisTimeoutMs);
});

test('what scales is a metric that there is, and no more than a core', () => {
  expect(inScaler('scaleTargetRef')).toEqual({
    apiVersion: inDeployment('apiVersion'),
    kind: inDeployment('kind'),
    name: inDeployment('metadata.name'),
  });
  const name = String(inScaler('metrics.0.pods.metric.name'));
  expect(Object.values(metrics).find((metric) => metric.name === name)).toMatchObject({ type: 'gauge' });
  expect(read('docs/deployment.md')).toContain(`seriesQuery: '${name}{`);
  // Of one core, which is all that a process can use.
  expect(inContainer('resources.requests.cpu')).toBe('500m');
  expect(inScaler('metrics.1.resource.target.averageUtilization')).toBeLessThan(200);
  expect(inScaler('minReplicas')).toBeGreaterThanOrEqual(2);
});

test('the manifests find each other', () => {
  const labels = { 'app.kubernetes.io/name': 'chord' };
  const selectors = [
    inDeployment('spec.template.metadata.labels'),
    inDeployment('spec.selector.matchLabels'),
    inPod('topologySpreadConstraints.0.labelSelector.matchLabels'),
    inPod('topologySpreadConstraints.1.labelSelector.matchLabels'),
    said('service.yaml', 'spec.selector'),
    said('network-policy.yaml', 'spec.podSelector.matchLabels'),
    said('pod-disruption-budget.yaml', 'spec.selector.matchLabels'),
  ];
  for (const selector of selectors) expect(selector).toEqual(labels);
  expect(inPod('serviceAccountName')).toBe('chord');
  expect(inContainer('envFrom')).toEqual([{ configMapRef: { name: 'chord' } }]);

  expect(inContainer('volumeMounts.0.name')).toBe(inPod('volumes.0.name'));
  const file = String(inPod('volumes.0.secret.items.0.path'));
  expect(`${String(inContainer('volumeMounts.0.mountPath'))}/${file}`).toBe(variables['CHORD_API_KEYS_FILE']);
  // The one Secret, as the command in the page makes it.
  const page = read('docs/deployment.md');
  expect(page).toContain(`--from-file=${String(inPod('volumes.0.secret.items.0.key'))}=`);
  expect(page).toContain(`--from-literal=${String(inContainer('env.0.valueFrom.secretKeyRef.key'))}=`);
});

test('the pod may do as little as the image needs', () => {
  const [, user, group] = /^USER (\d+):(\d+)$/m.exec(read('Dockerfile')) ?? [];
  expect(inPod('securityContext')).toMatchObject({
    runAsNonRoot: true,
    runAsUser: Number(user),
    runAsGroup: Number(group),
    seccompProfile: { type: 'RuntimeDefault' },
  });
  expect(inContainer('securityContext')).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(inPod('automountServiceAccountToken')).toBe(false);
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  expect(inContainer('image')).toBe(`chord:${version}`);
});
