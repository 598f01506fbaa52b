/** Drawings are imported as text (`with { type: 'text' }`). */
declare module '*.svg' {
  const text: string
  export default text
}
