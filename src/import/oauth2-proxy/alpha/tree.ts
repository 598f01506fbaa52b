import type { Stated } from '../inputs/stated.ts'
import { at, itemsAt, textAt, type Yaml } from '../inputs/yaml.ts'

/** The same document with lower-case keys, and with what the environment says filled in. */
export function lowered(node: Yaml, fill: (text: string) => string): Yaml {
  switch (node.kind) {
    case 'text':
      return { ...node, text: fill(node.text) }
    case 'list':
      return { ...node, items: node.items.map(item => lowered(item, fill)) }
    case 'map':
      return {
        ...node,
        entries: new Map([...node.entries].map(([key, value]) => [key.toLowerCase(), lowered(value, fill)])),
      }
  }
}

/** Every value below a node by its path (`a.b`); lists are values, and those among `apart` are left out. */
export function leavesOf(
  node: Yaml,
  apart: readonly string[],
  above = '',
): readonly (readonly [path: string, node: Yaml])[] {
  if (node.kind !== 'map') return [[above, node]]
  return [...node.entries].flatMap(([key, value]) => {
    const path = above === '' ? key : `${above}.${key}`
    return apart.includes(path) ? [] : leavesOf(value, apart, path)
  })
}

/** An option whose value is a node: a text, or a list of them. */
export function statedAt(name: string, node: Yaml, file: string): Stated {
  const values = itemsAt(node).flatMap(item => (item.kind === 'text' ? [item.text] : []))
  return { name, values, isList: node.kind === 'list', line: node.line, file }
}

/** A text below a node; null where there is none, or where it is empty. */
export function textOf(node: Yaml, ...path: readonly string[]): string | null {
  return textAt(node, ...path) || null
}

/** The line of what is below a node, or its own. */
export function lineOf(node: Yaml, ...path: readonly string[]): number {
  return (at(node, ...path) ?? node).line
}
