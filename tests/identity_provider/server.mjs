// The identity provider of the system tests: the certified `oidc-provider`, with a control endpoint for tests.
//
// Prints `ready PORT` when it accepts connections; its issuer is http://127.0.0.1:PORT. Keys and secrets are made
// at start and live as long as the process. Listens on loopback only.
//
//   node server.mjs PORT                          PORT 0: any free one
//   node server.mjs PORT ISSUER CERTIFICATE KEY   with TLS (PEM files) on every address, under a name of its own
//
// Tokens are asked for in the ordinary way, by the client credentials grant with a resource indicator (RFC 8707);
// the resource decides the kind of token. Two extra body parameters are for tests: `claims` (a JSON object that
// goes into the token, `sub` included) and `ttl` (seconds).
//
// Control, all POST except the first two, bodies and answers in JSON:
//
//   GET /control/clients     {"<client_id>": "<secret, or PEM key of private_key_jwt>", …}
//   GET /control/requests    {"jwks": n, "introspection": n, "discovery": n} since the start
//   POST /control/rotate     replaces all signing keys; {"keep": true} leaves the old ones in the key set
//   POST /control/delay      {"introspection_ms": n} delays every introspection answer
//   POST /control/hold       {"path": "<substring>", "status": n or null}: answers matching paths with that status
//                            and an empty body; null ends it

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

import { Provider } from 'oidc-provider';

const RESOURCES = {
  'https://shop.example/rs256': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
  'https://shop.example/es256': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'https://shop.example/eddsa': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'EdDSA' } } },
  'https://shop.example/opaque': { accessTokenFormat: 'opaque' },
};

const DEFAULT_TTL_S = 300;
const MAX_CONTROL_BYTES = 4096;

function signingKeys() {
  const jwk = (type, options) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
    kid: randomBytes(8).toString('hex'),
    use: 'sig',
  });
  return [
    { ...jwk('rsa', { modulusLength: 2048 }), alg: 'RS256' },
    { ...jwk('ec', { namedCurve: 'P-256' }), alg: 'ES256' },
    { ...jwk('ed25519'), alg: 'EdDSA' },
  ];
}

const introspectionKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
const secrets = {
  'shop-app': randomBytes(24).toString('base64url'),
  'lightgate-basic': `${randomBytes(24).toString('base64url')} %+:/~`, // RFC 6749 section 2.3.1: form-encoded in Basic
  'lightgate-post': randomBytes(24).toString('base64url'),
  'lightgate-key': introspectionKey.privateKey.export({ format: 'pem', type: 'pkcs8' }),
};

const machine = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };
const clients = [
  { client_id: 'shop-app', client_secret: secrets['shop-app'], ...machine },
  { client_id: 'lightgate-basic', client_secret: secrets['lightgate-basic'], ...machine },
  {
    client_id: 'lightgate-post',
    client_secret: secrets['lightgate-post'],
    token_endpoint_auth_method: 'client_secret_post',
    ...machine,
  },
  {
    client_id: 'lightgate-key',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [introspectionKey.publicKey.export({ format: 'jwk' })] },
    ...machine,
  },
];

function newProvider(issuer, keys) {
  return new Provider(issuer, {
    clients,
    jwks: { keys },
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (ctx, client) => client.clientId.startsWith('lightgate-'),
      },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(ctx, resource) {
          if (!Object.hasOwn(RESOURCES, resource)) throw new Error(`no resource ${resource}`);
          const ttl = Number(ctx.oidc.body?.ttl ?? DEFAULT_TTL_S);
          return { scope: 'read write', audience: resource, accessTokenTTL: ttl, ...RESOURCES[resource] };
        },
      },
    },
    extraTokenClaims: (ctx) => JSON.parse(ctx.oidc.body?.claims ?? '{}'),
    formats: {
      customizers: {
        // the provider gives a client's own token the client's name as `sub`; tests choose it
        jwt(ctx, token, jwt) {
          jwt.payload.sub = token.extra?.sub ?? jwt.payload.sub;
        },
      },
    },
  });
}

let keys = signingKeys();
let provider;
let introspectionDelayMs = 0;
let held = null;
const requests = { jwks: 0, introspection: 0, discovery: 0 };

async function readJson(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_CONTROL_BYTES) throw new Error('control body too large');
    chunks.push(chunk);
  }
  return chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
}

async function control(request) {
  switch (`${request.method} ${request.url}`) {
    case 'GET /control/clients':
      return secrets;
    case 'GET /control/requests':
      return requests;
    case 'POST /control/rotate': {
      const { keep = false } = await readJson(request);
      keys = keep ? [...signingKeys(), ...keys] : signingKeys();
      provider = newProvider(issuer, keys).callback();
      return { kids: keys.map((key) => key.kid) };
    }
    case 'POST /control/delay':
      introspectionDelayMs = (await readJson(request)).introspection_ms;
      return { introspection_ms: introspectionDelayMs };
    case 'POST /control/hold': {
      const { path, status } = await readJson(request);
      held = status === null ? null : { path, status };
      return { held };
    }
    default:
      return null;
  }
}

async function answerControl(request, response) {
  const result = await control(request);
  response.writeHead(result === null ? 404 : 200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(result));
}

function count(path) {
  if (path === '/jwks') requests.jwks += 1;
  else if (path === '/token/introspection') requests.introspection += 1;
  else if (path.startsWith('/.well-known/')) requests.discovery += 1;
}

const [port = '0', name, certificate, key] = process.argv.slice(2);
let issuer = name;

function answer(request, response) {
  if (request.url.startsWith('/control/')) {
    answerControl(request, response).catch((error) => {
      console.error(error);
      response.writeHead(500).end();
    });
    return;
  }
  count(request.url);
  if (held !== null && request.url.includes(held.path)) {
    response.writeHead(held.status).end();
  } else if (introspectionDelayMs > 0 && request.url === '/token/introspection') {
    setTimeout(() => provider(request, response), introspectionDelayMs);
  } else {
    provider(request, response);
  }
}

const server = name
  ? createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, answer)
  : createServer(answer);
server.listen(Number(port), name ? '0.0.0.0' : '127.0.0.1', () => {
  issuer ??= `http://127.0.0.1:${server.address().port}`;
  provider = newProvider(issuer, keys).callback();
  console.log(`ready ${server.address().port}`);
});
