// The wallet of @openid4vc/openid4vci and the verifier of @sd-jwt/sd-jwt-vc against our issuer,
// over HTTP. The issuer is a process that this script starts and stops.
//
//   cargo build -p wayleave-server --example issuer_for_interop
//   node wallet.mjs PATH/TO/issuer_for_interop FOLDER
import { spawn } from 'node:child_process';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { createInterface } from 'node:readline';
import { clientAuthenticationAnonymous, setGlobalConfig } from '@openid4vc/oauth2';
import { Openid4vciClient } from '@openid4vc/openid4vci';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';

const [binary, folder] = process.argv.slice(2);
if (!binary || !folder) {
  console.error('expected the path of the example `issuer_for_interop` and a folder');
  process.exit(2);
}
const issuer = spawn(binary, [folder, '0'], { stdio: ['pipe', 'pipe', 'inherit'] });
process.on('exit', () => issuer.kill());
const stopped = new Promise((resolve) => issuer.once('exit', (code) => resolve(code)));
const lines = createInterface({ input: issuer.stdout })[Symbol.asyncIterator]();
const next = async () => {
  const { value, done } = await lines.next();
  if (done) throw new Error('the issuer ended early');
  return JSON.parse(value);
};
const command = async (request) => {
  issuer.stdin.write(`${JSON.stringify(request)}\n`);
  return next();
};

const check = (condition, what) => {
  if (!condition) throw new Error(`not so: ${what}`);
  console.log(`ok: ${what}`);
};
const failure = (promise) => promise.then(() => undefined, (error) => error);

// Plain http is for a socket on this machine only.
setGlobalConfig({ allowInsecureUrls: true });
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const digest = { name: 'ECDSA', hash: 'SHA-256' };
const holder = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
const { kty, crv, x, y } = await webcrypto.subtle.exportKey('jwk', holder.publicKey);
const publicJwk = { kty, crv, x, y };
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const signed = async (input) =>
  Buffer.from(
    await webcrypto.subtle.sign(digest, holder.privateKey, Buffer.from(input)),
  ).toString('base64url');

const client = new Openid4vciClient({
  callbacks: {
    fetch,
    hash: (data, name) =>
      new Uint8Array(createHash(name.replace('-', '')).update(data).digest()),
    generateRandom: (count) => new Uint8Array(randomBytes(count)),
    clientAuthentication: clientAuthenticationAnonymous(),
    signJwt: async (_signer, { header, payload }) => {
      const input = `${part(header)}.${part(payload)}`;
      return { jwt: `${input}.${await signed(input)}`, signerJwk: publicJwk };
    },
  },
});

const obtain = async (offered) => {
  const credentialOffer = await client.resolveCredentialOffer(offered.uri);
  const issuerMetadata = await client.resolveIssuerMetadata(credentialOffer.credential_issuer);
  check(issuerMetadata.originalDraftVersion === 'V1', 'the wallet takes the issuer for one of 1.0');
  check(
    new URL(credentialOffer.credential_issuer).pathname.length > 1,
    'it finds the metadata of an issuer with a path',
  );
  const txCode = offered.transaction_code ?? undefined;
  const ask = (code) =>
    client.retrievePreAuthorizedCodeAccessTokenFromOffer({
      credentialOffer,
      issuerMetadata,
      txCode: code,
    });
  if (txCode) {
    const wrong = await failure(ask(txCode === '000000' ? '000001' : '000000'));
    check(wrong?.errorResponse?.error === 'invalid_grant', 'a wrong code is `invalid_grant`');
  }
  const { accessTokenResponse } = await ask(txCode);
  const again = await failure(ask(txCode));
  check(again?.errorResponse?.error === 'invalid_grant', 'an offer is good once');
  const [credentialConfigurationId] = credentialOffer.credential_configuration_ids;
  const retrieve = async (nonce, accessToken) => {
    const { jwt } = await client.createCredentialRequestJwtProof({
      issuerMetadata,
      credentialConfigurationId,
      nonce,
      signer: { method: 'jwk', alg: 'ES256', publicJwk },
    });
    return client.retrieveCredentials({
      issuerMetadata,
      credentialConfigurationId,
      accessToken,
      proofs: { jwt: [jwt] },
    });
  };
  const stale = await failure(retrieve('AAAA', accessTokenResponse.access_token));
  check(
    stale?.response?.credentialErrorResponseResult?.data?.error === 'invalid_nonce',
    'a nonce that is not the issuer\'s is `invalid_nonce`',
  );
  const { c_nonce } = await client.requestNonce({ issuerMetadata });
  const stranger = await failure(retrieve(c_nonce, 'x'));
  check(stranger?.response?.response?.status === 401, 'a token that is not the issuer\'s is 401');
  const { credentialResponse } = await retrieve(c_nonce, accessTokenResponse.access_token);
  const [{ credential }] = credentialResponse.credentials;
  return { credential, url: credentialOffer.credential_issuer, credentialConfigurationId };
};

// The keys as any verifier finds them: by the `iss`, path behind the well-known name.
const issuerKey = async (iss) => {
  const url = new URL(iss);
  const answer = await fetch(`${url.origin}/.well-known/jwt-vc-issuer${url.pathname}`);
  const { issuer: named, jwks } = await answer.json();
  check(answer.status === 200 && named === iss, 'the issuer\'s keys are published for its `iss`');
  return jwks.keys;
};
const verifier = (keys) => async (data, signature) => {
  const header = JSON.parse(Buffer.from(data.split('.')[0], 'base64url'));
  const jwk = keys.find((key) => key.kid === header.kid);
  if (!jwk) return false;
  const key = await webcrypto.subtle.importKey('jwk', jwk, algorithm, true, ['verify']);
  return webcrypto.subtle.verify(
    digest,
    key,
    Buffer.from(signature, 'base64url'),
    new TextEncoder().encode(data),
  );
};

let fetched = 0;
const verify = async (credential, keys) => {
  const instance = new SDJwtVcInstance({
    hasher: (data) =>
      new Uint8Array(
        createHash('sha256').update(typeof data === 'string' ? data : new Uint8Array(data)).digest(),
      ),
    hashAlg: 'sha-256',
    verifier: verifier(keys),
    statusVerifier: verifier(keys),
    statusListFetcher: async (uri) => {
      const answer = await fetch(uri, { headers: { accept: 'application/statuslist+jwt' } });
      if (answer.headers.get('content-type') !== 'application/statuslist+jwt') {
        throw new Error('the list has another media type');
      }
      fetched += 1;
      return answer.text();
    },
  });
  return instance.verify(credential);
};

const offered = await command({ offer: 'interop-registration', issuer: 'register-nl' });
const { credential, url, credentialConfigurationId } = await obtain(offered);
const open = JSON.parse(Buffer.from(credential.split('.')[1], 'base64url'));
const keys = await issuerKey(open.iss);
check(open.iss === url, 'the credential is from the issuer of the offer');
check(open.cnf.jwk.x === x && open.cnf.jwk.y === y, 'it is bound to the wallet\'s key');
const { payload } = await verify(credential, keys);
check(payload.vct === credentialConfigurationId, 'it verifies and is of the offered type');
check(payload.legal_name === 'Brightwater Tools B.V.', 'its disclosures open');
check(payload.status.status_list.idx === offered.index, 'its index is the one that was drawn');
check(fetched === 1, 'the verifier fetched the status list');
const [jwt, ...disclosures] = credential.split('~');
const broken = `${jwt.slice(0, -6)}${jwt.slice(-6) === 'AAAAAA' ? 'BBBBBB' : 'AAAAAA'}`;
const forged = await failure(verify([broken, ...disclosures].join('~'), keys));
check(/signature/i.test(forged?.message ?? ''), 'a changed signature is refused');

const revoked = await command({ revoke: offered.credential, issuer: 'register-nl' });
check(revoked.index === offered.index, 'the operator revokes it');
const refused = await failure(verify(credential, keys));
check(/status/i.test(refused?.message ?? ''), 'the verifier refuses it from then on');

const band = await command({ offer: 'interop-band', issuer: 'bureau-nl', code: true });
const second = await obtain(band);
const plain = await verify(second.credential, await issuerKey(second.url));
check(plain.payload.status === undefined, 'a credential for a day has no status to track');

issuer.stdin.end();
check((await stopped) === 0, 'the issuer stops when it is told to');
console.log('the wallet of @openid4vc/openid4vci got two credentials over HTTP');
