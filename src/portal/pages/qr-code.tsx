/** @jsxImportSource hono/jsx */

/** A QR code, as rows of its dark modules with the quiet zone around them: dark on light in any colour scheme, as cameras expect. */
export function QrCode({
  picture,
  label,
}: {
  readonly picture: readonly (readonly boolean[])[]
  readonly label: string
}) {
  const size = picture.length
  const path = picture.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : []))).join('')
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  )
}
