import { posix } from "node:path";
import type { OpenArtifact } from "../artifact.ts";

/** An artifact with these files, as it would come out of an archive. Objects are written as JSON, which is YAML. A path that ends in `/` is an empty directory. */
export function artifactOf(files: Record<string, string | object>): OpenArtifact {
  const directories = new Set([""]);
  const content = new Map<string, { content: Uint8Array; executable: boolean }>();
  for (const [path, value] of Object.entries(files)) {
    for (let up = path.endsWith("/") ? path.slice(0, -1) : posix.dirname(path); up !== "."; up = posix.dirname(up))
      directories.add(up);
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (!path.endsWith("/")) content.set(path, { content: Buffer.from(text), executable: false });
  }
  return { files: content, directories };
}

/** A ConfigMap, the smallest object there is. */
export function configMap(name: string, data: Record<string, string> = {}): object {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data };
}

/** A Deployment with one container of this image. */
export function deployment(name: string, image: string): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "main", image }] } },
    },
  };
}
