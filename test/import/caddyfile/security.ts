/**
 * A `security` block of caddy-security, for the tests of this room: a provider `p`, a portal `home` whose people from there have the
 * role `user`, and a policy `users` that asks for it. `policy` are more lines of that, `whom` is who has the role.
 */
export function security(policy = '', whom = 'realm p'): string {
  return `security {
  oauth identity provider p {
   client_id a
   base_auth_url https://id.example.com
  }
  authentication portal home {
   enable identity provider p
   transform user {
    match ${whom}
    action add role user
   }
  }
  authorization policy users {
   allow roles user${policy === '' ? '' : `\n   ${policy}`}
  }
 }`
}
