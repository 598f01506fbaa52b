// Documents that are part of the executable: each is the path by which it is read there, or in a checkout.
declare module '*.md' {
  const path: string
  export default path
}
declare module '*/Caddyfile' {
  const path: string
  export default path
}
declare module '*.cfg' {
  const path: string
  export default path
}
declare module '*.conf' {
  const path: string
  export default path
}
declare module '*.lua' {
  const path: string
  export default path
}
declare module '*.toml' {
  const path: string
  export default path
}
declare module '*.yaml' {
  const path: string
  export default path
}
