// Does with OpenPGP.js what the JSON on standard input asks for, and answers in JSON. Files are Base64.
import { readFileSync } from "node:fs";

const openpgp = await import(process.argv[2]);
const asked = JSON.parse(readFileSync(0));

async function generate({ name, passphrase, begun, seconds, subkeys, revoked }) {
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: "rsa",
    rsaBits: 2048,
    userIDs: [{ name, email: `${name}@example.com` }],
    passphrase,
    date: new Date(begun),
    keyExpirationTime: seconds,
    subkeys: subkeys.map(({ begun, ...subkey }) => ({ ...subkey, date: new Date(begun) })),
    format: "object",
  });
  const shown = revoked ? (await openpgp.revokeKey({ key: privateKey, format: "object" })).publicKey : publicKey;
  return { public: shown.armor(), secret: privateKey.armor(), fingerprint: publicKey.getFingerprint() };
}

async function decrypt({ content, secret, passphrase, signer }) {
  const locked = await openpgp.readPrivateKey({ armoredKey: secret });
  const { data, signatures } = await openpgp.decrypt({
    message: await openpgp.readMessage({ binaryMessage: Buffer.from(content, "base64") }),
    decryptionKeys: passphrase ? await openpgp.decryptKey({ privateKey: locked, passphrase }) : locked,
    verificationKeys: signer ? await openpgp.readKey({ armoredKey: signer }) : [],
    expectSigned: Boolean(signer),
    format: "binary",
  });
  return { content: Buffer.from(data).toString("base64"), signatures: signatures.length };
}

console.log(JSON.stringify(await { generate, decrypt }[asked.what](asked)));
