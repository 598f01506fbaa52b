/** The chapters as a site, by `npm run docs`: names and order are those of the README's table. */

import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { defineConfig } from 'vitepress'

/** The project's folder: chapters lead to each other, to the README and to files of recipes by relative links. */
const ROOT = resolve(import.meta.dirname, '../..')
const SITE = join(ROOT, 'dist/docs')

/** What chapters lead to that is no chapter: it is shown as it is. */
const FILES = ['compose.yaml', 'logs', 'monitoring', 'pictures', 'recipes']

export default defineConfig({
  title: 'Sallyport',
  description: 'An authenticating reverse proxy: one executable, one routes.toml',
  srcDir: ROOT,
  outDir: SITE,
  cacheDir: join(import.meta.dirname, 'cache'),
  srcExclude: ['{test,src,dist,node_modules}/**', 'docs/node_modules/**'],
  rewrites: { 'README.md': 'index.md' },
  // Pages of the project's folder find the packages that are installed here.
  vite: { resolve: { alias: { vue: resolve(import.meta.dirname, '../node_modules/vue') } } },
  vue: { template: { transformAssetUrls: false } },
  markdown: {
    languageAlias: { caddy: 'nginx', caddyfile: 'nginx', cfg: 'ini', haproxy: 'ini' },
    anchor: { slugify: anchorOf },
    config: md => {
      md.core.ruler.push('files', ({ tokens }) => {
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? (token.attrGet('href') ?? '') : ''
          // With a target of its own, the link is not taken for a page.
          if (/^[\w-]+(?:\/|\.yaml)/.test(href) && !/\.md(?:#|$)/.test(href)) token.attrSet('target', '_blank')
        }
      })
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    sidebar: chapters(),
    outline: [2, 3],
  },
  buildEnd: () => {
    for (const name of FILES) cpSync(join(ROOT, 'docs', name), join(SITE, 'docs', name), { recursive: true })
    const pages = readdirSync(SITE, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.html'))
    const dead = pages.flatMap(page => deadLinks(join(SITE, page)))
    if (dead.length > 0) throw new Error(`links that lead nowhere:\n${dead.join('\n')}`)
  },
})

/** A heading's anchor, as the links between chapters have it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}

/** Links of a page to files and headings that are not there. */
function deadLinks(page: string): string[] {
  const links = [...readFileSync(page, 'utf8').matchAll(/ href="([^"]+)"/g)].map(([, href = '']) => href)
  return links.flatMap(href => {
    const [path = '', anchor] = href.split('#')
    if (/^[a-z]+:/.test(path)) return []
    const file = path === '' ? page : path.startsWith('/') ? join(SITE, path) : join(dirname(page), path)
    const target = file.endsWith('/') ? `${file}index.html` : file
    const holds =
      existsSync(target) && (!anchor || readFileSync(target, 'utf8').includes(` id="${decodeURIComponent(anchor)}"`))
    return holds ? [] : [`${page}: ${href}`]
  })
}

/** A row with several chapters becomes a group of them. */
function chapters(): { text: string; link?: string; items?: { text: string; link: string }[] }[] {
  const rows = readFileSync(join(ROOT, 'README.md'), 'utf8').match(/^\| .*\]\([\w/-]+\.md\).* \|$/gm) ?? []
  return rows.map(row => {
    const links = [...row.matchAll(/\[([^\]]+)\]\(([\w/-]+)\.md\)/g)].map(([, text = '', page]) => ({
      text,
      link: `/${page}`,
    }))
    const [only] = links
    return links.length === 1 && only !== undefined ? only : { text: row.slice(2, row.indexOf(' [')), items: links }
  })
}
