import { MOST_LISTED } from './answer.ts'
import type { JsonObject } from './json.ts'
import { GROUP_SCHEMA, USER_SCHEMA } from './resources.ts'

const SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema'
const RESOURCE_TYPE = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType'
const CONFIG = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'

/** What can be done here (RFC 7643 §5). */
export function serviceProviderConfig(base: string): JsonObject {
  const no = { supported: false }
  return {
    schemas: [CONFIG],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: MOST_LISTED },
    changePassword: no,
    sort: no,
    etag: no,
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'OAuth Bearer Token',
        description: 'A token that both sides have agreed upon',
        specUri: 'https://www.rfc-editor.org/info/rfc6750',
      },
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
  }
}

/** The kinds of resources (RFC 7643 §6). */
export function resourceTypes(base: string): readonly JsonObject[] {
  return [
    ['User', '/Users', USER_SCHEMA],
    ['Group', '/Groups', GROUP_SCHEMA],
  ].map(([name, endpoint, schema]) => ({
    schemas: [RESOURCE_TYPE],
    id: name,
    name,
    endpoint,
    schema,
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
  }))
}

/** What is kept of a resource, and so all that it has (RFC 7643 §7). */
export function schemas(base: string): readonly JsonObject[] {
  const text = (name: string, more: JsonObject = {}): JsonObject => ({
    name,
    type: 'string',
    multiValued: false,
    required: false,
    caseExact: false,
    mutability: 'readWrite',
    returned: 'default',
    uniqueness: 'none',
    ...more,
  })
  const externalId = { caseExact: true, uniqueness: 'server' }
  const userAttributes = [
    text('userName', { required: true }),
    text('externalId', { ...externalId, required: true, mutability: 'immutable' }),
    text('displayName'),
    { ...text('active'), type: 'boolean' },
  ]
  const members = {
    ...text('members'),
    type: 'complex',
    multiValued: true,
    subAttributes: [
      text('value', { caseExact: true, mutability: 'immutable' }),
      { ...text('$ref'), type: 'reference', referenceTypes: ['User'], mutability: 'readOnly' },
      text('type', { canonicalValues: ['User'], mutability: 'readOnly' }),
    ],
  }
  const groupAttributes = [text('displayName', { required: true }), text('externalId', externalId), members]
  return [
    [USER_SCHEMA, 'User', userAttributes],
    [GROUP_SCHEMA, 'Group', groupAttributes],
  ].map(([id, name, attributes]) => ({
    schemas: [SCHEMA],
    id,
    name,
    attributes,
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${id}` },
  }))
}
