import type { Case } from "../case.ts";
import { bucket } from "../objects.ts";
import { keys } from "../world.ts";

const objects = {
  "app.yaml": "a",
  "logo.png": "p",
  ".git/config": "g",
  "dir/b.txt": "b",
  "dir/sub/c.yaml": "c",
  empty: "",
};

/** Buckets. */
export const bucketCases: readonly Case[] = [
  {
    name: "buckets",
    play: async (stage, world) => {
      const endpoint = world.s3;
      await world.fill("buckets-plain", objects);
      await world.fill("buckets-ignored", { ...objects, ".sourceignore": "*.txt\n", "dir/.sourceignore": "*.yaml\n" });
      await world.fill("buckets-empty", {});
      await world.fill("buckets-clash", { a: "file", "a/b": "below it" });
      await stage.secret("keys", keys);
      await stage.secret("wrong", { accesskey: keys.accesskey, secretkey: "canary-wrong" });
      await stage.secret("half", { accesskey: keys.accesskey });
      await stage.secret("proxy", { address: "ftp://127.0.0.1:1" });
      await stage.secret("no-ca", { "ca.crt": "nothing" });
      const secretRef = { secretRef: { name: "keys" } };
      const at = (name: string, bucketName = "buckets-plain", spec: Record<string, unknown> = {}) =>
        bucket(name, endpoint, bucketName, { ...secretRef, ...spec });
      await stage.apply(
        at("plain"),
        at("aws", "buckets-plain", { provider: "aws", region: "us-east-1" }),
        at("prefix", "buckets-plain", { prefix: "dir/" }),
        at("ignore", "buckets-plain", { ignore: "*.txt\n!dir/b.txt\n*.png" }),
        at("file", "buckets-ignored"),
        at("file-and-ignore", "buckets-ignored", { ignore: "!*.txt" }),
        at("empty", "buckets-empty"),
        at("nothing-of-prefix", "buckets-plain", { prefix: "absent/" }),
        at("clash", "buckets-clash"),
        at("absent", "buckets-absent"),
        at("bad-name", "B"),
        at("wrong", "buckets-plain", { secretRef: { name: "wrong" } }),
        at("half", "buckets-plain", { secretRef: { name: "half" } }),
        at("half-aws", "buckets-plain", { provider: "aws", secretRef: { name: "half" } }),
        at("no-secret", "buckets-plain", { secretRef: { name: "absent" } }),
        bucket("anonymous", endpoint, "buckets-plain"),
        at("refused", "buckets-plain", { endpoint: "127.0.0.1:1" }),
        at("bad-endpoint", "buckets-plain", { endpoint: "http://no scheme" }),
        at("secure", "buckets-plain", { insecure: false }),
        at("bad-ca", "buckets-plain", { insecure: false, certSecretRef: { name: "no-ca" } }),
        at("no-ca", "buckets-plain", { insecure: false, certSecretRef: { name: "absent" } }),
        at("bad-proxy", "buckets-plain", { proxySecretRef: { name: "proxy" } }),
        at("no-proxy", "buckets-plain", { proxySecretRef: { name: "absent" } }),
        at("gcp-keys", "buckets-plain", { provider: "gcp" }),
        at("azure-keys", "buckets-plain", { provider: "azure", endpoint: `http://${endpoint}` }),
        at("account", "buckets-plain", { provider: "aws", secretRef: null, serviceAccountName: "default" }),
        at("both", "buckets-plain", { provider: "aws", serviceAccountName: "default" }),
        at("sts", "buckets-plain", { sts: { provider: "aws", endpoint: "http://127.0.0.1:1" } }),
        at("sts-ldap", "buckets-plain", {
          secretRef: null,
          sts: { provider: "ldap", endpoint: "http://127.0.0.1:1", secretRef: { name: "absent" } },
        }),
        at("sts-ldap-half", "buckets-plain", {
          secretRef: null,
          sts: { provider: "ldap", endpoint: "http://127.0.0.1:1", secretRef: { name: "keys" } },
        }),
        at("suspended", "buckets-plain", { suspend: true }),
      );
      await stage.look("created");
      await stage.request("Bucket", "plain", "prefix", "absent");
      await stage.look("unchanged");
      await world.fill("buckets-plain", { "app.yaml": "changed" });
      await stage.request("Bucket", "plain", "prefix");
      await stage.look("changed");
      await stage.apply(
        at("plain", "buckets-absent"),
        at("prefix", "buckets-plain", { prefix: "dir/", ignore: "nothing" }),
      );
      await stage.look("broken");
      await stage.apply(at("plain"));
      await stage.look("mended");
      await stage.remove("Bucket", "plain");
      await stage.look("deleted");
    },
  },
];
