// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are what is tested
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../api/object.ts";
import { BuildFailed } from "./build-failed.ts";
import { finishBuild } from "./post-build.ts";
import { readDocuments } from "./rendered-objects.ts";
import type { Substitution } from "./substitute.ts";

const map = (data: string, metadata = "  name: m\n") =>
  `apiVersion: v1\ndata:\n  k: ${data}\nkind: ConfigMap\nmetadata:\n${metadata}`;

function substitution(variables: Record<string, string>, options: Partial<Substitution> = {}): Substitution {
  return { variables: new Map(Object.entries(variables)), strict: true, always: false, ...options };
}

async function substituted(yaml: string, given: Substitution): Promise<KubernetesObject[]> {
  return (await finishBuild(yaml, { substitution: given })).objects;
}

async function valueAfter(data: string, given: Substitution): Promise<unknown> {
  const [object] = await substituted(map(data), given);
  return object !== undefined && "data" in object ? Object(object.data).k : undefined;
}

const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

describe("substitution in rendered objects", () => {
  it.each([
    ["${p}", { p: "8080" }, 8080],
    ["${q}${p}${q}", { p: "8080", q: '"' }, "8080"],
    ["${p}", { p: "!!str 123" }, "123"],
    ["x-${p}", { p: "8080" }, "x-8080"],
    ["${p}", { p: "yes" }, true],
    ["${p}", { p: "0777" }, 511],
    ["${p}", { p: "2001-12-14" }, "2001-12-14"],
    ["${p}", { p: "[a, b]" }, ["a", "b"]],
    ["$${p}", { p: "1" }, "${p}"],
  ])("KS-117, KS-118: %s of %j is read with the rules of YAML 1.1", async (text, variables, expected) => {
    expect(await valueAfter(text, substitution(variables))).toEqual(expected);
  });

  it("KS-119: a whole value that is empty becomes null", async () => {
    expect(await valueAfter("${e}", substitution({ e: "" }))).toBeNull();
    expect(await valueAfter("${u}", substitution({ e: "" }, { strict: false }))).toBeNull();
  });

  it("KS-114: a variable without value or default fails, and names its object", async () => {
    await expect(valueAfter("${x}", substitution({ e: "" }))).rejects.toThrow(
      new BuildFailed(
        `post build failed for 'ConfigMap.v1.[noGrp]/m': envsubst error: variable substitution failed: variable not set (strict mode): "x"`,
      ),
    );
  });

  it("KS-112: one variable with a bad name fails the build", async () => {
    const message = "'my-key' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'";
    await expect(valueAfter("plain", substitution({ "my-key": "1" }))).rejects.toThrow(message);
  });

  it("KS-115: without a variable nothing is evaluated, unless always", async () => {
    expect(await valueAfter("${x:=d}", substitution({}))).toBe("${x:=d}");
    expect(await valueAfter("$${x}", substitution({}))).toBe("$${x}");
    expect(await valueAfter("${x:=d}", substitution({}, { always: true }))).toBe("d");
    expect(await valueAfter("$${x}", substitution({}, { always: true }))).toBe("${x}");
  });

  it.each(["labels", "annotations"])("KS-116: %s that say disabled, in lower case, skip an object", async (field) => {
    const [disabled, misspelt] = await substituted(
      ["disabled", "Disabled"]
        .map((value) =>
          map("${p}", `  ${field}:\n    kustomize.toolkit.fluxcd.io/substitute: ${value}\n  name: ${value}\n`),
        )
        .join("---\n"),
      substitution({ p: "x" }),
    );
    expect(disabled).toMatchObject({ data: { k: "${p}" } });
    expect(misspelt).toMatchObject({ data: { k: "x" } });
  });

  it("KS-113: a reference that could not be read fails the first object that takes variables, and no build without one", async () => {
    const given = substitution({}, { failure: `substitute from 'ConfigMap/vars' error: configmaps "vars" not found` });
    await expect(valueAfter("plain", given)).rejects.toThrow(
      `post build failed for 'ConfigMap.v1.[noGrp]/m': substitute from 'ConfigMap/vars' error: configmaps "vars" not found`,
    );
    const disabled = map("x", "  labels:\n    kustomize.toolkit.fluxcd.io/substitute: disabled\n  name: m\n");
    expect(await substituted(disabled, given)).toHaveLength(1);
  });

  it.each([
    ["${{ x }}", "unable to parse variable name"],
    ["${a.b}", "missing closing brace"],
    ["${a-b}", "missing closing brace"],
  ])("KS-120: %s in the free text of an object fails it", async (text, message) => {
    await expect(valueAfter(text, substitution({ a: "1" }))).rejects.toThrow(
      `envsubst error: variable substitution failed: ${message}`,
    );
  });

  it.each([
    ["a: b: c", "envsubst error: YAMLToJSON: yaml: line 3: bad indentation of a mapping entry"],
    [".nan", "envsubst error: YAMLToJSON: json: unsupported value: NaN"],
    ["[&a [x,x], &b [*a,*a], &c [*b,*b]".padEnd(33, " ") + chain(30), "document contains excessive aliasing"],
  ])("a value that is no YAML where it stands fails without being shown: %s", async (value, message) => {
    await expect(valueAfter("${p}", substitution({ p: value }))).rejects.toThrow(message);
  });

  it("fails an object that is none any more, and never shows what is in it", async () => {
    const name = map("s3cret", "  name: ${p}\n");
    await expect(substituted(name, substitution({ p: "123" }))).rejects.toThrow(
      "post build failed for 'ConfigMap.v1.[noGrp]/${p}': apiVersion, kind or name is no longer a text",
    );
  });

  it("KS-105: never shows an item of a list that a variable has made no object", async () => {
    const list = "apiVersion: v1\nitems:\n- data: ${p}\nkind: ConfigMapList\nmetadata:\n  name: all\n";
    await expect(substituted(list, substitution({ p: "s3cret" }))).rejects.toThrow(
      new BuildFailed("failed to decode Kubernetes apiVersion, kind and name from an item of ConfigMapList 'all'"),
    );
  });

  it("fails two objects that a variable gives one name", async () => {
    const both = [map("1", "  name: ${a}\n"), map("2", "  name: ${b}\n")].join("---\n");
    await expect(substituted(both, substitution({ a: "one", b: "one" }))).rejects.toThrow(
      "in Replace: id matched 2 resources",
    );
    expect(await substituted(both, substitution({ a: "one", b: "two" }))).toHaveLength(2);
  });

  it("SN-06, KS-226: a digest is of what kustomize would print: as it is where nothing changed, in its own words where it did", async () => {
    const yaml = `${map("plain")}---\n${map("${p}", "  name: other\n")}`;
    const { digest } = await finishBuild(yaml, { substitution: substitution({ p: "'0x1F' " }) });
    expect(digest).toBe(sha256(`${map("plain")}---\n${map('"0x1F"', "  name: other\n")}`));
    expect((await finishBuild(yaml, { substitution: substitution({}) })).digest).toBe(sha256(yaml));
  });

  it("KS-090: an object is decrypted before variables are put into it, in the text that kustomize would print", async () => {
    const decryptObject = async (object: KubernetesObject) =>
      object.metadata.name === "m" ? { ...object, data: { k: "${p} y", l: "yes" } } : undefined;
    const { objects } = await finishBuild(`${map("cipher")}---\n${map("${p}", "  name: other\n")}`, {
      decryptObject,
      substitution: substitution({ p: "1" }),
    });
    expect(objects).toMatchObject([{ data: { k: "1 y", l: "yes" } }, { data: { k: 1 } }]);
  });

  it("KS-090: an object that cannot be decrypted is named", async () => {
    const decryptObject = () => Promise.reject(new Error("cannot get sops data key"));
    await expect(finishBuild(map("x"), { decryptObject })).rejects.toThrow(
      new BuildFailed("decryption failed for 'ConfigMap.v1.[noGrp]/m': cannot get sops data key"),
    );
  });

  it("an end of the time that there is, is no failure of the build", async () => {
    const gone = AbortSignal.abort(new Error("out of time"));
    await expect(finishBuild(map("x"), { substitution: substitution({ p: "1" }) }, gone)).rejects.toThrow(
      "out of time",
    );
    const ending = new AbortController();
    const decryptObject = () => {
      ending.abort(new Error("out of time"));
      return Promise.reject(new Error("cannot get sops data key"));
    };
    const failed = finishBuild(map("x"), { decryptObject }, ending.signal);
    await expect(failed).rejects.toThrow(/^out of time$/);
  });

  it("parts documents where kustomize does, and nowhere else", () => {
    const text = map("|\n    a\n    ---\n    b");
    expect(readDocuments(`${text}---\n${map("2")}`).map((document) => document.text)).toEqual([text, map("2")]);
    expect(readDocuments("")).toEqual([]);
  });
});

function chain(levels: number): string {
  const names = Array.from({ length: levels }, (_, level) => `&x${level} [*${level === 0 ? "a" : `x${level - 1}`},1]`);
  const doubled = names.map((name, level) => name.replace(",1]", `,*${level === 0 ? "a" : `x${level - 1}`}]`));
  return `,${doubled.join(",")}]`;
}
