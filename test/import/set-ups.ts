/** The oauth2-proxy.cfg that people in front of Pocket ID have: its documentation recommends these options. */
export const POCKET_ID_CFG = `# what the provider gave us
client_id="client-id-from-pocket-id"
client_secret="client-secret-from-pocket-id"
oidc_issuer_url="ISSUER"

# as random as can be
cookie_secret="random-string"

# the application
upstreams="http://<service-to-be-proxied>:<port>"

# how people sign in
provider="oidc"
scope = "openid email profile groups"

# a proxy stands in front
reverse_proxy = true

# whoever has an account
email_domains = ["*"]

# by https alone
cookie_secure="true"

# from anywhere
http_address="127.0.0.1:<listen-port>"
`

/** The Caddyfile of the same documentation, for caddy-security. */
export const POCKET_ID_CADDYFILE = `{
	http_port 443
	order authenticate before respond
	security {
		oauth identity provider generic {
			delay_start 3
			realm generic
			driver generic
			client_id client-id-from-pocket-id # ours
			client_secret client-secret-from-pocket-id # ours
			scopes openid email profile
			base_auth_url ISSUER
			metadata_url ISSUER/.well-known/openid-configuration
		}

		authentication portal myportal {
			crypto default token lifetime 3600 # seconds
			enable identity provider generic
			cookie insecure off # "on" without HTTPS

			transform user {
				match realm generic
				action add role user
			}
		}

		authorization policy mypolicy {
			set auth url /auth/oauth2/generic
			allow roles user
			inject headers with claims
		}
	}
}

https://<domain-of-your-service> {
	@auth {
		path /auth/oauth2/generic
		path /auth/oauth2/generic/authorization-code-callback
    }

	route @auth {
		authenticate with myportal
	}

	route /* {
		authorize with mypolicy
		reverse_proxy http://<service-to-be-proxied>:<port> # ours
	}
}
`
