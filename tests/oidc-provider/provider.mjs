// A certified OIDC provider on a free loopback port, for tests.
//
// It prints one line with its issuer as soon as it answers, and ends when its standard input does.
// Beside the provider's own paths it answers `POST /control/...`, which a test uses to turn its keys
// and to make it fail.
import { createServer } from 'node:http';
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';

// It warns that keys and storage are for development, which is what they are for here.
console.warn = console.info = () => {};
const { default: Provider } = await import('oidc-provider');

const generate = promisify(generateKeyPair);
const state = { provider: undefined, keys: [], turns: 0, failure: undefined, fetches: 0 };

async function newKeys(kid) {
  const rsa = await generate('rsa', { modulusLength: 2048 });
  const ec = await generate('ec', { namedCurve: 'P-256' });
  const jwk = (pair, alg) => ({
    ...pair.privateKey.export({ format: 'jwk' }),
    alg,
    use: 'sig',
    kid: kid ?? `${alg.toLowerCase()}-${state.turns}`,
  });
  return [jwk(rsa, 'RS256'), jwk(ec, 'ES256')];
}

function provider(issuer) {
  const made = new Provider(issuer, {
    jwks: { keys: state.keys },
    clients: ['caller', 'batch'].map((id) => ({
      client_id: id,
      client_secret: `${id}-secret-${id}-secret-${id}`,
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
    })),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'read write',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: ctx.oidc?.body?.sign_with ?? 'RS256' } },
        }),
      },
    },
    extraTokenClaims: (ctx) => JSON.parse(ctx.oidc.body?.extra_claims ?? '{}'),
  });
  made.on('server_error', (ctx, error) => process.stderr.write(`${error.stack}\n`));
  return made;
}

// The control paths: each answers 204, or 404 when it is not one of them.
const controls = {
  // New keys sign from now on; the old ones are gone at once, or stay published with `?keep`.
  async rotate(query) {
    state.turns += 1;
    const fresh = await newKeys(query.get('kid') ?? undefined);
    state.keys = query.has('keep') ? [...fresh, ...state.keys] : fresh;
    state.provider = provider(state.issuer);
  },
  // `?how=status|garbage|truncated|silent` for discovery and keys, until `?how=` is empty.
  async fail(query) {
    state.failure = query.get('how') || undefined;
  },
};

function failing(request, response) {
  const metadata = request.url.startsWith('/.well-known/') || request.url.startsWith('/jwks');
  if (metadata) state.fetches += 1;
  if (!metadata || state.failure === undefined) return false;
  if (state.failure === 'status') {
    response.writeHead(500).end('{}');
  } else if (state.failure === 'garbage') {
    response.writeHead(200, { 'content-type': 'application/json' }).end('<html>');
  } else if (state.failure === 'truncated') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4096' });
    response.write('{"keys":[{"kty":"RSA",');
    setImmediate(() => response.destroy());
  }
  // `silent` keeps the connection open and says nothing.
  return true;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname.startsWith('/control/')) {
    if (url.pathname === '/control/fetches') {
      response.writeHead(200).end(JSON.stringify({ fetches: state.fetches }));
      return;
    }
    const control = controls[url.pathname.slice('/control/'.length)];
    await control?.(url.searchParams);
    response.writeHead(control ? 204 : 404).end();
    return;
  }
  if (!failing(request, response)) state.provider.callback()(request, response);
});

server.listen(0, '127.0.0.1', async () => {
  state.issuer = `http://127.0.0.1:${server.address().port}`;
  state.keys = await newKeys(process.env.KID);
  state.provider = provider(state.issuer);
  process.stdout.write(`${state.issuer}\n`);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
