import { X509Certificate } from "node:crypto";
import { ObjectStoreError } from "../../../lib/bucket/object-store.ts";
import { parseXml } from "../../../lib/bucket/xml.ts";
import { parseChallenge } from "../../../lib/oci/authentication.ts";
import { oidText, readDer } from "../../../lib/oci/der.ts";
import { parseDistinguishedName } from "../../../lib/oci/distinguished-name.ts";
import { credentialsFor, readDockerConfig } from "../../../lib/oci/docker-config.ts";
import { parseImage, selectLayer } from "../../../lib/oci/image.ts";
import { parseCertificate } from "../../../lib/oci/notation-certificate.ts";
import { parseCose } from "../../../lib/oci/notation-cose.ts";
import { openEnvelope, parseJws } from "../../../lib/oci/notation-envelope.ts";
import { parseTrustPolicy } from "../../../lib/oci/notation-policy.ts";
import { isDigest, parseDescriptor } from "../../../lib/oci/registry.ts";
import { parseRepositoryName } from "../../../lib/oci/repository-name.ts";
import { verifyTimestamp } from "../../../lib/oci/timestamp-token.ts";
import { VerificationError } from "../../../lib/oci/verification-error.ts";
import { check, entriesOf, isSentence, type Parser } from "../parser.ts";

const digest = `sha256:${"0a".repeat(32)}`;
const json = [
  "{",
  "}",
  "[",
  "]",
  '"',
  "\\",
  "\\u0000",
  ":",
  ",",
  "null",
  "true",
  "1e999",
  "-0",
  '"__proto__":{}',
  "[".repeat(500),
];
const isVerification = (error: unknown): boolean => error instanceof VerificationError;

/** What registries and object stores answer, and what is said of them in Secrets. */
export const registryParsers: readonly Parser[] = [
  {
    name: "oci-manifest",
    cost: "cheap",
    words: [...json, '"layers":', '"annotations":', '"mediaType":', `"digest":"${digest}"`, '"size":', '"manifests":'],
    expects: isSentence,
    run: (input) => {
      const image = parseImage(input);
      for (const layer of image.layers) check(isDigest(layer.digest), "a layer has no digest");
      check(
        Object.values(image.annotations).every((text) => typeof text === "string"),
        "an annotation is no text",
      );
      selectLayer(image, undefined);
    },
  },
  {
    name: "oci-descriptor",
    cost: "cheap",
    words: json,
    expects: (error) => error instanceof SyntaxError,
    run: (input) => {
      const descriptor = parseDescriptor(JSON.parse(input.toString("utf8")));
      if (descriptor === undefined) return;
      check(isDigest(descriptor.digest) && typeof descriptor.size === "number", "a descriptor is none");
      check(
        JSON.stringify(parseDescriptor(descriptor)) === JSON.stringify(descriptor),
        "a descriptor is read otherwise again",
      );
    },
  },
  {
    name: "oci-challenge",
    cost: "cheap",
    words: ["Bearer ", "Basic ", "realm=", '"', "=", ",", " ", "service=", "scope=", "bearer", "\t"],
    expects: () => false,
    run: (input) => {
      const challenge = parseChallenge(input.toString("latin1"));
      check(challenge === undefined || /^(basic|bearer)$/.test(challenge.scheme), "a challenge has another scheme");
    },
  },
  {
    name: "docker-config",
    cost: "cheap",
    words: [
      ...json,
      '"auths":',
      '"auth":"',
      "*",
      "?",
      "https://",
      ":443",
      "/v2/",
      "[a-z]",
      "*.*.*",
      "***",
      "Og==",
      '"identitytoken":',
    ],
    expects: isSentence,
    run: (input) => {
      const text = input.toString("utf8");
      const config = readDockerConfig(text, { legacy: !text.includes("auths") });
      credentialsFor(config, { host: "registry.example.com:5000", path: "team/app" });
    },
  },
  {
    name: "repository-name",
    cost: "cheap",
    words: ["/", ":", ".", "-", "__", "localhost", "[::1]", ":5000", "docker.io", "@sha256:", "%2f", "--", "a-a"],
    expects: isSentence,
    run: (input) => {
      const { host, path } = parseRepositoryName(input.toString("utf8"));
      check(new URL(`https://${host}/v2/${path}`).pathname === `/v2/${path}`, "a name leads elsewhere");
    },
  },
  {
    name: "store-xml",
    cost: "expensive",
    words: [
      "<",
      ">",
      "</",
      "/>",
      "<![CDATA[",
      "]]>",
      "<!--",
      "-->",
      "<?xml ",
      "?>",
      "&lt;",
      "&#x41;",
      "&#99999999;",
      "&a;",
      "<!DOCTYPE",
      "<Contents>",
      "<Key>",
      "<__proto__>",
      "<constructor>",
      "<a>".repeat(200),
    ],
    expects: (error) => error instanceof ObjectStoreError,
    run: async (input) => {
      const root = await parseXml(input.toString("utf8"));
      check(Object.getPrototypeOf(root) === Object.prototype, "an element has another prototype");
    },
  },
  {
    name: "notation-jws",
    cost: "cheap",
    words: [
      ...json,
      '"protected":"',
      '"payload":"',
      '"signature":"',
      '"header":',
      '"x5c":',
      "e30",
      "eyJhbGciOiJQUzI1NiJ9",
    ],
    expects: isVerification,
    run: (input) => {
      openEnvelope(parseJws(input));
    },
  },
  {
    name: "notation-cose",
    cost: "cheap",
    words: [
      "\xd2\x84",
      "\xa0",
      "\xa1",
      "\x40",
      "\x80",
      "\x9f",
      "\xbf",
      "\xff",
      "\xfb",
      "\x18\x21",
      "\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
      "\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
      "\xc1",
      "\x81".repeat(300),
    ],
    expects: isVerification,
    run: (input) => {
      openEnvelope(parseCose(input));
    },
  },
  {
    name: "timestamp-token",
    cost: "expensive",
    words: [
      "\x30\x82",
      "\x30\x80",
      "\xa0\x82",
      "\x31\x82",
      "\x04\x84\xff\xff\xff\xff",
      "\x06\x81\x80",
      "\x18\x0f",
      "\x02\x01\x01",
    ],
    expects: isVerification,
    run: (input) => {
      const authority = entriesOf("corpus", "timestamp-token").get("authority");
      if (authority === undefined) throw new Error("the corpus has no authority");
      verifyTimestamp(input, Buffer.from("what was signed\n"), [new X509Certificate(authority)]);
    },
  },
  {
    name: "certificate",
    cost: "expensive",
    words: [
      "\x30\x82",
      "\x30\x80",
      "\x06\x03\x55\x1d",
      "\x03\x02",
      "\x04\x84\xff\xff\xff\xff",
      "\x02\x01",
      "\x05\x00",
      "\x1f",
      "\x30\x84\x7f\xff\xff\xff",
    ],
    expects: isVerification,
    run: (input) => {
      parseCertificate(input);
    },
  },
  {
    name: "der",
    cost: "cheap",
    words: ["\x30\x82", "\x30\x80", "\x84\xff\xff\xff\xff", "\x1f", "\x30\x00", "\x81\x80"],
    expects: isSentence,
    run: (input) => {
      const values = readDer(input);
      check(Buffer.concat(values.map(({ bytes }) => bytes)).equals(input), "bytes of DER are in no value");
      for (const { content } of values)
        check(/^\d+(\.-?\d+)+$/.test(oidText(content)), "an identifier is no text of numbers");
    },
  },
  {
    name: "trust-policy",
    cost: "cheap",
    words: [
      ...json,
      '"trustPolicies":',
      '"registryScopes":["*"]',
      '"trustStores":',
      '"ca:a"',
      '"x509.subject: CN=a"',
      '"level":"strict"',
    ],
    expects: isVerification,
    run: (input) => {
      parseTrustPolicy(input, () => undefined);
    },
  },
  {
    name: "distinguished-name",
    cost: "cheap",
    words: ["CN=", "O=", ",", "\\,", "+", "=", "\\", '"', "C=US", "ST=", "#", "\\2c", " "],
    expects: isVerification,
    run: (input) => {
      parseDistinguishedName(input.toString("utf8"));
    },
  },
];
