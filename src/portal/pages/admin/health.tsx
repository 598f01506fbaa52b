/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { OriginView } from '../../overview.ts'

/** Whether an address is known not to answer; one that nobody has asked is not. */
export function isDown({ health }: OriginView): boolean {
  return health === 'down'
}

/** A state in words, with a sign before it for a quick look. */
export function Health(props: {
  readonly state: OriginView['health']
  readonly text: string
  readonly children?: Child
}) {
  return (
    <span class={`small health ${props.state}`}>
      <span>
        {props.text}
        {props.children}
      </span>
    </span>
  )
}
