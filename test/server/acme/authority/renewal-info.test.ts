import { expect, test } from 'bun:test'
import { certificateId } from '../../../../src/server/acme/authority/renewal-info.ts'
import { makeAuthority } from '../../../kit/certificates.ts'
import { needs } from '../../../kit/needs.ts'

/** RFC 9773 appendix A. */
const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`

test("RFC 9773 §4.1: a certificate is called by its authority's key and its serial number", () => {
  expect(certificateId(EXAMPLE)).toBe('aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')
})

needs('openssl').test(
  'what does not name the key of its authority, and what is no certificate, has no such name',
  () => {
    const { cert } = makeAuthority()
    const own = certificateId(cert)
    expect(own === null || /^[\w-]+\.[\w-]+$/.test(own)).toBe(true)
    expect(certificateId('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')).toBeNull()
    expect(certificateId('no PEM')).toBeNull()
  },
)
