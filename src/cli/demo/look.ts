/** The frame of the demo's own pages. */

import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import { withFonts } from '../../portal/layout/font.ts'

/** A finished piece of HTML; hono's template yields a promise only where a part is one. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>

/** The colours and type that the demo's two sites share, as on the gate's own pages; each page adds its own rules. */
const BASE_STYLE = withFonts(`
@font-face { font-family: Figtree; src: url("FIGTREE-LATIN") format("woff2"); font-weight: 300 900; font-display: swap }
:root { color-scheme: light dark; --ground: #f8f6f2; --card: #ffffff; --ink: #1f2428; --soft: #595e5a; --line: #e6e2d9;
  --accent: #1d6358; --on-accent: #ffffff; --mark: #e4efec; --good: #2f7d4f; --bad: #9a3b26; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181a; --card: #1c2224; --ink: #e9e7e1; --soft: #a3a9a6; --line: #2b3335;
  --accent: #86d2c2; --on-accent: #0c1f1b; --mark: #22312f; --good: #7fcf9c; --bad: #f0a088; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 Figtree, system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.75rem; font-weight: 600; letter-spacing: -.02em; line-height: 1.2; margin: 0 0 .5rem } h2 { font-size: 1.0625rem; font-weight: 600; margin: 0 0 .6rem }
p { margin: 0 0 .8rem } code { font: .9em ui-monospace, monospace } a { color: var(--accent) }
button { font: inherit; font-weight: 600; cursor: pointer; border: 0; border-radius: .8rem; min-height: 2.75rem; padding: .5rem 1rem; background: var(--accent); color: var(--on-accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.soft { color: var(--soft) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 1rem; padding: 1.2rem }
`)

/** A whole document. `style` and `script` are this program's own constants, never a visitor's text. */
export function demoPage(options: { title: string; body: Markup; style: string; script?: string }): Markup {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${options.title}</title>
<link rel="icon" href="data:,">
<style>${raw(BASE_STYLE + options.style)}</style>
</head>
<body>
${options.body}
${options.script === undefined ? '' : html`<script>${raw(options.script)}</script>`}
</body>
</html>
`
}
