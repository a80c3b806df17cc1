// A certified OIDC provider on a free loopback port, for tests.
//
// It prints one line with its issuer as soon as it answers, and ends when its standard input does.
// Beside the provider's own paths it answers `POST /control/...`, which a test uses to turn its keys,
// to make it fail and to sign somebody in.
import { createServer } from 'node:http';
import { createHash, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

// It warns that keys and storage are for development, which is what they are for here.
console.warn = console.info = () => {};
const { default: Provider } = await import('oidc-provider');

const generate = promisify(generateKeyPair);
const state = { provider: undefined, keys: [], turns: 0, failure: undefined, fetches: 0 };

// The application that people sign in to. Nobody is at its addresses.
const web = {
  client_id: 'web',
  client_secret: 'web-secret-web-secret-web',
  redirect_uris: ['https://web.test/back'],
  backchannel_logout_uri: 'https://web.test/logout',
  response_types: ['code', 'code id_token'],
  grant_types: ['authorization_code', 'implicit'],
  id_token_signed_response_alg: 'ES256',
};

// A tool without a secret that people sign in to on another device.
const tool = {
  client_id: 'tool',
  token_endpoint_auth_method: 'none',
  redirect_uris: [],
  response_types: [],
  grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
};

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
    clients: [
      web,
      tool,
      ...['caller', 'batch'].map((id) => ({
        client_id: id,
        client_secret: `${id}-secret-${id}-secret-${id}`,
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials'],
      })),
    ],
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    // Whoever signs in agrees to everything.
    async loadExistingGrant(ctx) {
      const { accountId } = ctx.oidc.session;
      const grant = new ctx.oidc.provider.Grant({ accountId, clientId: ctx.oidc.client.clientId });
      grant.addOIDCScope('openid offline_access');
      if (ctx.oidc.params.resource) grant.addResourceScope(ctx.oidc.params.resource, 'read write');
      await grant.save();
      return grant;
    },
    // What the provider would send to an application stays here.
    async fetch(url, options) {
      state.sent = new URLSearchParams(options.body);
      return new Response(null, { status: 200 });
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'read write',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: ctx.oidc?.body?.sign_with ?? 'RS256' } },
        }),
        useGrantedResource: () => true,
      },
    },
    extraTokenClaims: (ctx) => JSON.parse(ctx.oidc.body?.extra_claims ?? '{}'),
  });
  made.on('server_error', (ctx, error) => process.stderr.write(`${error.stack}\n`));
  return made;
}

// Goes where it is sent until it is sent elsewhere than here, or nowhere. The answer is the last one.
async function browse(cookies, to, options = {}) {
  let [next, asked] = [new URL(to, state.issuer), options];
  for (;;) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(next, { ...asked, redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    if (!answer.headers.has('location')) return { answer };
    [next, asked] = [new URL(answer.headers.get('location'), next), {}];
    if (next.origin !== state.issuer) return { next };
  }
}

// Signs bob in to `web`, as his browser and the application do it, and answers what the application has
// then: the ID token of the front channel if there is one, ID token and access token of the back one.
async function signIn({ responseType, nonce, resource }) {
  const verifier = randomBytes(32).toString('base64url');
  const asked = new URLSearchParams({
    client_id: web.client_id,
    response_type: responseType,
    scope: 'openid read',
    redirect_uri: web.redirect_uris[0],
    resource,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(nonce && { nonce }),
  });
  const { next, answer: stuck } = await browse(new Map(), `/auth?${asked}`);
  if (stuck) throw new Error(await stuck.text());
  const back = new URLSearchParams(next.hash.slice(1) || next.search);
  const answer = await fetch(new URL('/token', state.issuer), {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${web.client_id}:${web.client_secret}`)}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: back.get('code'),
      redirect_uri: web.redirect_uris[0],
      code_verifier: verifier,
      resource,
      sign_with: 'ES256',
    }),
  });
  const tokens = await answer.json();
  return { front_id_token: back.get('id_token') ?? undefined, ...tokens };
}

// Bob enters a code that some device shows, and confirms it or not.
async function decide(userCode, decision) {
  const cookies = new Map();
  const { answer } = await browse(cookies, '/device');
  const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(await answer.text());
  const body = new URLSearchParams({ xsrf, user_code: userCode, [decision]: 'yes' });
  await browse(cookies, '/device', { method: 'POST', body });
}

// The token with which the provider tells `web` that bob is gone.
async function logoutToken() {
  const client = await state.provider.Client.find(web.client_id);
  await client.backchannelLogout('bob', 'a-session');
  return state.sent.get('logout_token');
}

// The control paths: each answers 204, or 200 with what it says, or 404 when it is not one of them.
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
  // `?code=` is entered; `?decision=confirm|abort`.
  async decide(query) {
    await decide(query.get('code'), query.get('decision'));
  },
  // Every token of somebody who signs in to read `?resource=` and is signed out again.
  async 'sign-in'(query) {
    const resource = query.get('resource');
    const { id_token, access_token } = await signIn({ responseType: 'code', resource });
    const nonce = 'n-0S6_WzA2Mj';
    const hybrid = await signIn({ responseType: 'code id_token', nonce, resource });
    return {
      access_token,
      id_token,
      id_token_with_nonce: hybrid.id_token,
      id_token_of_front_channel: hybrid.front_id_token,
      logout_token: await logoutToken(),
    };
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
    const said = await control?.(url.searchParams);
    if (said) response.writeHead(200).end(JSON.stringify(said));
    else response.writeHead(control ? 204 : 404).end();
    return;
  }
  if (url.pathname.startsWith('/interaction/')) {
    await state.provider.interactionFinished(request, response, { login: { accountId: 'bob' } });
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
