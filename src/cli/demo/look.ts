import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'

/** A finished piece of HTML; hono's template yields a promise only where a part is one. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>

/** The colours and type that the demo's two sites share; each page adds its own rules. */
const BASE_STYLE = `
:root { color-scheme: light dark; --ground: #f6f4ef; --card: #fffefb; --ink: #22201c; --soft: #635e54; --line: #dcd6c9;
  --accent: #8a3b12; --on-accent: #fff8f2; --mark: #fff0c9; --good: #1f6b3a; --bad: #a3231b; }
@media (prefers-color-scheme: dark) { :root { --ground: #171613; --card: #21201c; --ink: #efeae0; --soft: #b0a898; --line: #3b382f;
  --accent: #f2a271; --on-accent: #2a1206; --mark: #423713; --good: #7fd39b; --bad: #ff9d92; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem } h2 { font-size: 1.05rem; margin: 0 0 .6rem }
p { margin: 0 0 .8rem } code { font: .9em ui-monospace, monospace } a { color: var(--accent) }
button { font: inherit; cursor: pointer; border: 0; border-radius: .5rem; min-height: 2.75rem; padding: .5rem 1rem; background: var(--accent); color: var(--on-accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.soft { color: var(--soft) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .9rem; padding: 1.2rem }
`

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
