// An OpenID Connect provider on localhost. Whoever it is told to sign in, it signs in: `/interaction/UID?sub=NAME`.
// Usage: node provider.mjs CLIENTS-AS-JSON; prints its issuer on one line, ends when its input ends.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const jwk = (kid, type, options) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), kid, use: 'sig' });

const server = createServer();
await new Promise((ready) => server.listen(0, 'localhost', ready));
const issuer = `http://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: JSON.parse(process.argv[2]),
  cookies: { keys: ['only for tests'] },
  jwks: {
    keys: [
      jwk('rsa', 'rsa', { modulusLength: 2048 }),
      jwk('ec', 'ec', { namedCurve: 'P-256' }),
      jwk('ed', 'ed25519'),
    ],
  },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  async loadExistingGrant(ctx) {
    const { client, session } = ctx.oidc;
    const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
});

const answer = provider.callback();
server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith('/interaction/')) return answer(request, response);
  return provider.interactionFinished(request, response, { login: { accountId: url.searchParams.get('sub') } });
});

console.log(issuer);
process.stdin.resume().on('end', () => process.exit(0));
