/** What docs/kubernetes.md says of a pod: it runs in Podman. */
import { expect } from 'bun:test'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { documentsOf, type Manifest } from '../../kit/kubernetes.ts'
import { needs } from '../../kit/needs.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort } from '../../kit/programs/child.ts'
import { makeLibc } from '../../kit/programs/container.ts'
import { statusOf } from '../../kit/requests.ts'

const HOST = 'app.example.com'

needs('podman with runc').test(
  'the pod of one gate runs in Podman, with its ConfigMap and its Secret',
  async () => {
    using folder = temporaryFolder()
    const at = (name: string) => join(folder.path, name)
    const podman = async (...args: readonly string[]) => {
      const storage = ['--root', at('storage'), '--runroot', at('run'), '--storage-driver', 'vfs']
      const engine = ['--cgroup-manager', 'cgroupfs', '--runtime', 'runc', '--events-backend', 'none']
      const child = Bun.spawn(['podman', ...storage, ...engine, ...args], {
        env: { ...process.env, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' },
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const [code, out, err] = await Promise.all([
        child.exited,
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ])
      return { code, out, err }
    }
    // As the Containerfile ends, from this machine's own files: nothing is fetched.
    const root = await makeLibc(at('image/root'))
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
    cpSync(await compiledBinary(), join(root, 'usr/local/bin/sallyport'))
    mkdirSync(at('image/data'))
    const [port, admin] = [await freePort(), await freePort()]
    const last = ['USER 65532:65532', 'WORKDIR /data', `ENV SALLYPORT_DATA=/data SALLYPORT_ADMIN=127.0.0.1:${admin}`]
    const run = ['ENTRYPOINT ["/usr/local/bin/sallyport"]', 'CMD ["serve", "--config", "/etc/sallyport/routes.toml"]']
    writeFileSync(
      at('Containerfile'),
      ['FROM scratch', 'COPY root /', 'COPY --chown=65532:65532 data /data', ...last, ...run, ''].join('\n'),
    )
    const image = 'localhost/sallyport:test'
    const built = await podman(
      'build',
      '--isolation',
      'chroot',
      '--tag',
      image,
      '--file',
      at('Containerfile'),
      at('image'),
    )
    expect([built.code, built.code === 0 ? '' : built.err]).toEqual([0, ''])

    const [configMap, secret, claim, deployment] = ['ConfigMap', 'Secret', 'PersistentVolumeClaim', 'Deployment'].map(
      kind => {
        const found = documentsOf('one.yaml').find(one => one.kind === kind)
        if (found === undefined) throw new Error(`one.yaml has no ${kind}`)
        return found
      },
    ) as [Manifest, Manifest, Manifest, Manifest]
    // The ports of this machine are those of all who test on it; the route is one that needs no application.
    const toml = String(configMap.data?.['routes.toml'])
      .replace('0.0.0.0:8080', `127.0.0.1:${port}`)
      .concat(`\n[[routes]]\nhost = "open.example"\nrespond = { status = 200, body = "open" }\nallow = "public"\n`)
    const { template } = deployment.spec as {
      template: { metadata: { labels: object }; spec: Readonly<Record<string, unknown>> }
    }
    const [container] = template.spec.containers as readonly [Readonly<Record<string, unknown>>]
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'sallyport', labels: template.metadata.labels },
      spec: {
        ...template.spec,
        hostNetwork: true,
        containers: [{ ...container, image }],
        volumes: (template.spec.volumes as readonly { readonly secret?: object }[]).map(one =>
          // Podman gives a Secret to root alone: it knows no fsGroup.
          one.secret === undefined ? one : { ...one, secret: { ...one.secret, defaultMode: 0o444 } },
        ),
      },
    }
    const documents = [{ ...configMap, data: { 'routes.toml': toml } }, secret, claim, pod]
    writeFileSync(at('pod.yaml'), documents.map(one => JSON.stringify(one)).join('\n---\n'))
    try {
      const played = await podman('kube', 'play', '--network', 'host', at('pod.yaml'))
      expect([played.code, played.code === 0 ? '' : played.err]).toEqual([0, ''])
      const name = 'sallyport-sallyport'
      const logs = async () => {
        const { out, err } = await podman('logs', name)
        return out + err
      }
      let told = ''
      await eventually(
        async () => {
          told = await logs()
          return /Sallyport is listening|\d mistakes? in|cannot start/.test(told)
        },
        () => `it listens: ${told}`,
      )
      expect(told).toContain('Sallyport is listening')
      expect(await statusOf({ port }, '/', { host: 'open.example' })).toBe(200)
      expect(await statusOf({ port }, '/', { host: HOST, accept: 'application/json' })).toBe(401)
      const inside = async (...command: readonly string[]) =>
        (await podman('exec', name, '/usr/local/bin/sallyport', ...command)).code
      expect([await inside('health'), await inside('health', '--alive'), await inside('check')]).toEqual([0, 0, 0])
      const { out } = await podman('inspect', name)
      const [seen] = JSON.parse(out) as readonly [
        { HostConfig: { ReadonlyRootfs: boolean }; Config: { User: string }; EffectiveCaps: readonly string[] | null },
      ]
      expect([seen.HostConfig.ReadonlyRootfs, seen.Config.User, seen.EffectiveCaps ?? []]).toEqual([
        true,
        '65532:65532',
        [],
      ])
    } finally {
      await podman('kube', 'down', '--force', at('pod.yaml'))
      await podman('rm', '--all', '--force', '--time', '0')
    }
  },
  300_000,
)
