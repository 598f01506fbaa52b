/** The manifests of docs/kubernetes, by the published schemas of their kinds, and what has to hold between them. */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Gateway } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway'
import { HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler'
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { PersistentVolumeClaim } from 'kubernetes-models/v1/PersistentVolumeClaim'
import { Secret } from 'kubernetes-models/v1/Secret'
import { Service } from 'kubernetes-models/v1/Service'
import { check } from '../config/checks.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { documentsOf, type Manifest } from '../kit/kubernetes.ts'
import { whereThereIs } from '../kit/needs.ts'

const ROOT = join(import.meta.dir, '../..')
const FILES = readdirSync(join(ROOT, 'docs/kubernetes')).sort()

const GATEWAY_API = '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1'
/** The model of each kind, and where its types are. */
const KINDS: Readonly<Record<string, readonly [model: new (data?: never) => { validate(): void }, from: string]>> = {
  'v1 ConfigMap': [ConfigMap, 'kubernetes-models/v1'],
  'v1 Secret': [Secret, 'kubernetes-models/v1'],
  'v1 Service': [Service, 'kubernetes-models/v1'],
  'v1 PersistentVolumeClaim': [PersistentVolumeClaim, 'kubernetes-models/v1'],
  'apps/v1 Deployment': [Deployment, 'kubernetes-models/apps/v1'],
  'apps/v1 StatefulSet': [StatefulSet, 'kubernetes-models/apps/v1'],
  'policy/v1 PodDisruptionBudget': [PodDisruptionBudget, 'kubernetes-models/policy/v1'],
  'autoscaling/v2 HorizontalPodAutoscaler': [HorizontalPodAutoscaler, 'kubernetes-models/autoscaling/v2'],
  'networking.k8s.io/v1 Ingress': [Ingress, 'kubernetes-models/networking.k8s.io/v1'],
  'networking.k8s.io/v1 NetworkPolicy': [NetworkPolicy, 'kubernetes-models/networking.k8s.io/v1'],
  'gateway.networking.k8s.io/v1 Gateway': [Gateway, GATEWAY_API],
  'gateway.networking.k8s.io/v1 HTTPRoute': [HTTPRoute, GATEWAY_API],
}

const kindOf = ({ apiVersion, kind }: Manifest) => `${apiVersion} ${kind}`

/** What the schema of its kind says of a document; null where it is well. */
function faultOf(document: Manifest): string | null {
  const [Model] = KINDS[kindOf(document)] ?? []
  if (Model === undefined) return `there is no schema of ${kindOf(document)}`
  try {
    new Model(document as never).validate()
    return null
  } catch (error) {
    return String(error)
  }
}

describe.each(FILES)('docs/kubernetes/%s', file => {
  const documents = documentsOf(file)

  test('is as the schemas of its kinds want it', () => {
    expect(documents.length).toBeGreaterThan(1)
    expect(documents.flatMap(document => faultOf(document) ?? [])).toEqual([])
  })

  test('would not be with another type, or without what is needed', () => {
    for (const { spec, ...rest } of documents.filter(one => one.spec !== undefined && one.kind !== 'NetworkPolicy')) {
      const wrong = faultOf({
        ...rest,
        spec: {
          ...spec,
          replicas: 'two',
          minAvailable: {},
          ports: 7,
          rules: 7,
          listeners: 7,
          accessModes: 7,
          maxReplicas: 'x',
        },
      })
      expect([rest.kind, wrong]).toEqual([rest.kind, expect.stringContaining('Error')])
    }
  })
})

const TSC = join(ROOT, 'node_modules/.bin/tsc')
// On Linux it finds itself by /proc alone.
const typed = whereThereIs(Bun.spawnSync([TSC, '--version']).exitCode === 0, 'tsc')

typed.test('no key of the manifests is unknown to its kind', () => {
  using folder = temporaryFolder()
  symlinkSync(join(ROOT, 'node_modules'), join(folder.path, 'node_modules'))
  const source = (all: readonly Manifest[]) =>
    all
      .map((document, index) => {
        const [, from = ''] = KINDS[kindOf(document)] ?? []
        return `import type { I${document.kind} as K${index} } from '${from}/${document.kind}'\nexport const d${index}: K${index} = ${JSON.stringify(document)}\n`
      })
      .join('')
  const all = FILES.flatMap(documentsOf)
  const misspelt = all.find(({ kind }) => kind === 'PodDisruptionBudget')
  writeFileSync(join(folder.path, 'manifests.ts'), source(all))
  writeFileSync(
    join(folder.path, 'misspelt.ts'),
    source([{ ...misspelt, spec: { ...misspelt?.spec, minAvailabel: 1 } } as Manifest]),
  )
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'preserve',
    '--target',
    'esnext',
    '--types',
    '',
  ]
  const tsc = Bun.spawnSync([TSC, ...options, 'manifests.ts', 'misspelt.ts'], {
    cwd: folder.path,
  })
  const said = tsc.stdout
    .toString()
    .trim()
    .split('\n')
    .filter(line => line.includes('error'))
  expect(said).toHaveLength(1)
  expect(said[0]).toContain('misspelt.ts(2')
  expect(said[0]).toContain('"minAvailabel"')
})

/** What is looked at of the template of a pod. */
interface Pod {
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly automountServiceAccountToken: boolean
  readonly terminationGracePeriodSeconds?: number
  readonly containers: readonly Readonly<Record<string, unknown>>[]
  readonly volumes?: readonly Readonly<Record<string, unknown>>[]
}

const find = (file: string, kind: string, name = 'sallyport') => {
  const found = documentsOf(file).find(one => one.kind === kind && one.metadata.name === name)
  if (found === undefined) throw new Error(`${file} has no ${kind} ${name}`)
  return found
}
const podOf = (document: Manifest) => (document.spec as { template: { spec: Pod } }).template.spec

describe.each(['one.yaml', 'two.yaml'])('docs/kubernetes/%s', file => {
  const deployment = find(file, 'Deployment')
  const pods = documentsOf(file)
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .map(podOf)

  test('has pods without root, rights, a writable root or a token of the cluster', () => {
    for (const pod of pods) {
      expect(pod.automountServiceAccountToken).toBe(false)
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      for (const container of pod.containers)
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
    }
  })

  test('asks the health by the command that the image has, and waits for a drain', () => {
    const pod = podOf(deployment)
    const [container] = pod.containers
    const health = ['/usr/local/bin/sallyport', 'health']
    expect(container).toMatchObject({
      startupProbe: { exec: { command: health } },
      readinessProbe: { exec: { command: health } },
      livenessProbe: { exec: { command: [...health, '--alive'] } },
    })
    const drain = /^\| `drain` \| duration \| `"(\d+)s"`/m.exec(readFileSync(join(ROOT, 'docs/keys.md'), 'utf8'))?.[1]
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(Number(drain) + 5)
    const image = /^USER (\d+):(\d+)$/m.exec(readFileSync(join(ROOT, 'Containerfile'), 'utf8'))
    expect(image?.slice(1).map(Number)).toEqual([65532, 65532])
    expect(pod.securityContext).toMatchObject({ runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 })
  })

  test('mounts the file and its secrets as folders, and names only what is there', () => {
    const text = readFileSync(join(ROOT, 'docs/kubernetes', file), 'utf8')
    expect(text).not.toContain('subPath:')
    const pod = podOf(deployment)
    expect(pod.containers[0]?.volumeMounts).toContainEqual({
      name: 'file',
      mountPath: '/etc/sallyport',
      readOnly: true,
    })
    expect(pod.volumes).toContainEqual({ name: 'file', configMap: { name: 'sallyport-file' } })
    // In decimal, since parsers differ in octal: those of the group can read it.
    expect(pod.volumes).toContainEqual({
      name: 'secrets',
      secret: { secretName: 'sallyport-secrets', defaultMode: 0o440 },
    })
    const secrets = Object.keys(find(file, 'Secret', 'sallyport-secrets').stringData ?? {})
    const named = [...text.matchAll(/\$\{file:\/run\/secrets\/sallyport\/([\w-]+)\}|key: ([\w-]+) \}/g)].map(
      ([, one, other]) => one ?? other,
    )
    expect(new Set(named)).toEqual(new Set(secrets))
    expect((find(file, 'Service').spec as { selector: unknown }).selector).toEqual({ app: 'sallyport' })
  })

  test('has a routes.toml in which check finds nothing, with as many gates as there are to be', () => {
    const replicas = (podOf(deployment).containers[0]?.env as { name: string; value: string }[] | undefined)?.find(
      ({ name }) => name === 'SALLYPORT_REPLICAS',
    )?.value
    expect(replicas).toBe(file === 'one.yaml' ? undefined : '2')
    expect(problemsIn(file, replicas)).toEqual([])
  })
})

/** What check says of the routes.toml of a manifest, with that many gates. */
function problemsIn(file: string, replicas: string | undefined): readonly string[] {
  const secrets = { key: Buffer.alloc(32, 7).toString('base64'), 'client-secret': 'a secret' }
  const files = Object.entries(secrets).map(([name, text]) => [`/run/secrets/sallyport/${name}`, text])
  const checked = check(String(find(file, 'ConfigMap', 'sallyport-file').data?.['routes.toml']), {
    env: { VALKEY_PASSWORD: 'p', ...(replicas === undefined ? {} : { SALLYPORT_REPLICAS: replicas }) },
    files: Object.fromEntries(files),
  })
  return (checked.ok ? checked.warnings : checked.diagnostics).map(({ code, message }) => `${code}: ${message}`)
}

test('check warns of several gates with SQLite, and of a number that is none', () => {
  expect(problemsIn('one.yaml', '1')).toEqual([])
  expect(problemsIn('one.yaml', '2')).toEqual([
    'sessions.replicas: there are to be 2 gates (SALLYPORT_REPLICAS), and each would have sessions of its own in SQLite',
  ])
  expect(problemsIn('two.yaml', '6')).toEqual([])
  expect(problemsIn('one.yaml', 'many')).toEqual([
    'sessions.replicas: the environment variable SALLYPORT_REPLICAS is no number',
  ])
})

test('one gate lets go of its database before the next one opens it; two are never both away', () => {
  expect(find('one.yaml', 'Deployment').spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } })
  const two = find('two.yaml', 'Deployment').spec as Record<string, unknown>
  expect(two.strategy).toMatchObject({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } })
  // The autoscaler's to say.
  expect(two).not.toHaveProperty('replicas')
  expect(podOf(find('two.yaml', 'Deployment')).containers[0]).toMatchObject({
    lifecycle: { preStop: { sleep: { seconds: 5 } } },
  })
  const labels = { matchLabels: { app: 'sallyport' } }
  expect(two.selector).toEqual(labels)
  expect(find('two.yaml', 'PodDisruptionBudget').spec).toEqual({ minAvailable: 1, selector: labels })
  expect(find('two.yaml', 'HorizontalPodAutoscaler').spec).toMatchObject({
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'sallyport' },
    minReplicas: 2,
    metrics: [{ resource: { name: 'cpu' } }],
  })
})

test('what stands in front sends every host of the file to the gates, and nobody else reaches them', () => {
  const hosts = ['auth.example.com', 'app.example.com']
  const ingress = find('ingress.yaml', 'Ingress').spec as { rules: readonly { host: string; http: unknown }[] }
  expect(ingress.rules.map(({ host }) => host)).toEqual(hosts)
  for (const { http } of ingress.rules)
    expect(http).toEqual({
      paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'sallyport', port: { name: 'http' } } } }],
    })
  expect(find('gateway.yaml', 'HTTPRoute').spec).toMatchObject({
    hostnames: hosts,
    rules: [{ backendRefs: [{ name: 'sallyport', port: 8080 }] }],
  })
  for (const file of ['ingress.yaml', 'gateway.yaml'])
    expect(find(file, 'NetworkPolicy').spec).toMatchObject({
      podSelector: { matchLabels: { app: 'sallyport' } },
      policyTypes: ['Ingress'],
    })
  for (const file of ['one.yaml', 'two.yaml']) {
    const text = String(find(file, 'ConfigMap', 'sallyport-file').data?.['routes.toml'])
    for (const host of hosts) expect(text).toContain(host)
  }
})
