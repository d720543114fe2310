// Runs the wallet of @openid4vc/openid4vci against our issuer, through pipes instead of a server.
//
//   cargo build -p wayleave-credential --example issuer_by_lines
//   node issue_to_openid4vc_wallet.mjs PATH/TO/issuer_by_lines
import { spawn } from 'node:child_process';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { createInterface } from 'node:readline';
import { clientAuthenticationAnonymous } from '@openid4vc/oauth2';
import { Openid4vciClient } from '@openid4vc/openid4vci';

const binary = process.argv[2];
if (!binary) {
  console.error('expected the path of the example `issuer_by_lines`');
  process.exit(2);
}
const issuer = spawn(binary, { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: issuer.stdout })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);

const piped = async (input, init = {}) => {
  const url = new URL(input.toString());
  const headers = new Headers(init.headers);
  const body = init.body === undefined ? '' : init.body.toString();
  const isForm = headers.get('content-type')?.includes('form');
  const request = {
    path: url.pathname,
    body,
    form: isForm ? Object.fromEntries(new URLSearchParams(body)) : undefined,
    authorization: headers.get('authorization') ?? '',
  };
  issuer.stdin.write(`${JSON.stringify(request)}\n`);
  const { status, body: answer } = await next();
  return new Response(JSON.stringify(answer), {
    status,
    headers: { 'content-type': 'application/json' },
  });
};

const check = (condition, what) => {
  if (!condition) throw new Error(`not so: ${what}`);
  console.log(`ok: ${what}`);
};

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const holder = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
const { kty, crv, x, y } = await webcrypto.subtle.exportKey('jwk', holder.publicKey);
const publicJwk = { kty, crv, x, y };
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

const client = new Openid4vciClient({
  callbacks: {
    fetch: piped,
    hash: (data, name) =>
      new Uint8Array(createHash(name.replace('-', '')).update(data).digest()),
    generateRandom: (count) => new Uint8Array(randomBytes(count)),
    clientAuthentication: clientAuthenticationAnonymous(),
    signJwt: async (_signer, { header, payload }) => {
      const input = `${part(header)}.${part(payload)}`;
      const signature = await webcrypto.subtle.sign(
        { name: 'ECDSA', hash: 'SHA-256' },
        holder.privateKey,
        Buffer.from(input),
      );
      const jwt = `${input}.${Buffer.from(signature).toString('base64url')}`;
      return { jwt, signerJwk: publicJwk };
    },
  },
});

const { offer, now } = await next();
const credentialOffer = await client.resolveCredentialOffer(offer);
const issuerMetadata = await client.resolveIssuerMetadata(credentialOffer.credential_issuer);
check(issuerMetadata.originalDraftVersion === 'V1', 'the wallet takes the issuer for one of 1.0');

const token = (txCode) =>
  client.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata, txCode });
const refused = await token('000000').then(
  () => undefined,
  (error) => error,
);
check(
  refused?.errorResponse?.error === 'invalid_grant',
  'a wrong transaction code is `invalid_grant`',
);
const { accessTokenResponse } = await token('493536');

const [credentialConfigurationId] = credentialOffer.credential_configuration_ids;
const retrieve = async (nonce) => {
  const { jwt } = await client.createCredentialRequestJwtProof({
    issuerMetadata,
    credentialConfigurationId,
    nonce,
    issuedAt: new Date(now * 1000),
    signer: { method: 'jwk', alg: 'ES256', publicJwk },
  });
  return client.retrieveCredentials({
    issuerMetadata,
    credentialConfigurationId,
    accessToken: accessTokenResponse.access_token,
    proofs: { jwt: [jwt] },
  });
};
const stale = await retrieve('AAAA').then(
  () => undefined,
  (error) => error,
);
check(
  stale?.response?.credentialErrorResponseResult?.data?.error === 'invalid_nonce',
  'a nonce that is not the issuer\'s is `invalid_nonce`',
);
const { c_nonce } = await client.requestNonce({ issuerMetadata });
const { credentialResponse } = await retrieve(c_nonce);
const [{ credential }] = credentialResponse.credentials;
const payload = JSON.parse(Buffer.from(credential.split('.')[1], 'base64url'));
check(payload.vct === credentialConfigurationId, 'the credential is of the offered type');
check(payload.cnf.jwk.x === x && payload.cnf.jwk.y === y, 'it is bound to the wallet\'s key');
check(credential.split('~').length === 10, 'it comes with all eight disclosures');
issuer.stdin.end();
console.log('the wallet of @openid4vc/openid4vci got a credential');
