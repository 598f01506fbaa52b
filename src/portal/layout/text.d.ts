/** What pages hold is imported as text (`with { type: 'text' }`), and so are the drawings of icons. */
declare module '*.svg' {
  const text: string
  export default text
}
declare module '*.css' {
  const text: string
  export default text
}
/** The path of a font, in a checkout or within the executable (`with { type: 'file' }`). */
declare module '*.woff2' {
  const path: string
  export default path
}
declare module '*.js' {
  const text: string
  export default text
}
