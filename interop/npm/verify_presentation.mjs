// Verifies a presentation of ours with @sd-jwt/sd-jwt-vc, and sees to it that near misses fail.
//
//   cargo run -p wayleave-credential --example sample_presentation -- DIR
//   node verify_presentation.mjs DIR
import { createHash, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';

const folder = process.argv[2];
if (!folder) {
  console.error('expected the folder that the example wrote');
  process.exit(2);
}
const read = (name) => readFileSync(join(folder, name), 'utf8');
const expected = JSON.parse(read('expected.json'));
const presentation = read('presentation.txt');

const sha256 = (data) => {
  const bytes = typeof data === 'string' ? data : new Uint8Array(data);
  return new Uint8Array(createHash('sha256').update(bytes).digest());
};

const es256 = async (jwk) => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const key = await webcrypto.subtle.importKey('jwk', jwk, algorithm, true, ['verify']);
  return (data, signature) =>
    webcrypto.subtle.verify(
      { name: 'ECDSA', hash: 'SHA-256' },
      key,
      Buffer.from(signature, 'base64url'),
      new TextEncoder().encode(data),
    );
};

const instance = async (statusList) =>
  new SDJwtVcInstance({
    hasher: (data, algorithm) => {
      if (algorithm !== 'sha-256') throw new Error(`unexpected digest ${algorithm}`);
      return sha256(data);
    },
    hashAlg: 'sha-256',
    verifier: await es256(expected.issuer_jwk),
    statusVerifier: await es256(expected.issuer_jwk),
    kbVerifier: async (data, signature, payload) => (await es256(payload.cnf.jwk))(data, signature),
    statusListFetcher: async (uri) => {
      if (uri !== expected.status.uri) throw new Error(`unexpected list ${uri}`);
      return read(statusList);
    },
  });

const verify = async (text, nonce = expected.nonce, statusList = 'status_valid.jwt') =>
  (await instance(statusList)).verify(text, {
    keyBindingNonce: nonce,
    currentDate: expected.now,
    requiredClaimKeys: expected.disclosed,
  });

const check = (condition, what) => {
  if (!condition) throw new Error(`not so: ${what}`);
  console.log(`ok: ${what}`);
};
const refused = async (what, attempt) => {
  let error;
  try {
    await attempt();
  } catch (caught) {
    error = caught;
  }
  check(error !== undefined, `${what} is refused${error ? `: ${error.message}` : ''}`);
};

const { payload, header, kb } = await verify(presentation);
check(header.typ === 'dc+sd-jwt', 'the issuer jwt is a `dc+sd-jwt`');
check(payload.vct === expected.vct, 'the type is as expected');
for (const name of expected.disclosed) check(name in payload, `\`${name}\` is disclosed`);
for (const name of expected.withheld) check(!(name in payload), `\`${name}\` is withheld`);
check(kb.payload.aud === expected.audience, 'the audience is the verifier');
const digest = createHash('sha256').update(expected.terms).digest('base64url');
check(
  JSON.stringify(kb.payload.transaction_data_hashes) === JSON.stringify([digest]),
  'the mandate key signed the hash of the terms string',
);

await refused('another nonce', () => verify(presentation, 'other'));
await refused('a revoked entry', () => verify(presentation, expected.nonce, 'status_revoked.jwt'));
const parts = presentation.split('~');
const fewer = [parts[0], ...parts.slice(2)].join('~');
const twice = [parts[0], parts[1], ...parts.slice(1)].join('~');
await refused('a disclosure taken away', () => verify(fewer));
await refused('a disclosure sent twice', () => verify(twice));
console.log('the presentation verifies with @sd-jwt/sd-jwt-vc');
