import { Doubtful } from "../text/certain-yaml.ts";
import { isFields } from "../text/fields.ts";
import { currentId, isClusterScoped, originalId, type Resource, setText } from "./plain-resource.ts";
import { isSelected, referencesOf, type Selector } from "./reference-paths.ts";

/** One reference to be followed: who refers, to what, and all that could be meant by which names. */
type Search = {
  referrer: Resource;
  target: Selector;
  path: readonly string[];
  known: Known;
  isReachable: (resource: Resource) => boolean;
  /** Fields that were changed, by their mapping: what one reference has changed must not be found by another. */
  changed: Map<object, Set<string | number>>;
};

/** All resources, in order and by each name that they had. */
type Known = { all: readonly Resource[]; byName: ReadonlyMap<string, readonly Resource[]> };

/**
 * Lets the references among resources follow the names and namespaces that those were given, as kustomize does at the end of a
 * build. Throws Doubtful where kustomize would find something other than what it looks for, or more than one that could be meant.
 */
export function followNames(resources: readonly Resource[]): void {
  const byName = new Map<string, Resource[]>();
  for (const resource of resources)
    for (const name of new Set(resource.previous.map((id) => id.name)))
      byName.set(name, [...(byName.get(name) ?? []), resource]);
  const known = { all: resources, byName };
  for (const referrer of resources) {
    const changed = new Map<object, Set<string | number>>();
    if (referrer.object.kind === "RoleBinding") refuseOddSubjects(referrer.object.subjects);
    const isReachable = reachableFrom(referrer);
    for (const { referrer: selector, target, path } of referencesOf(referrer.object.kind))
      if (isSelected(originalId(referrer), selector))
        follow({ referrer, target, path, known, isReachable, changed }, referrer.object, 0);
  }
}

/** Kustomize asserts what the subjects of a binding are and is gone where they are something else. */
function refuseOddSubjects(subjects: unknown): void {
  if (subjects === undefined || subjects === null) return;
  const isSubject = (subject: unknown) =>
    isFields(subject) &&
    ["kind", "namespace"].every((field) => !(field in subject) || typeof subject[field] === "string");
  if (!Array.isArray(subjects) || !subjects.every(isSubject)) throw new Doubtful("subjects of an unusual shape");
}

function follow(search: Search, value: unknown, depth: number): void {
  if (value === null || value === undefined) return;
  const field = search.path[depth];
  if (Array.isArray(value)) {
    for (const item of value) follow(search, item, depth);
    return;
  }
  if (!isFields(value) || field === undefined) throw new Doubtful("a reference of an unusual shape");
  if (depth < search.path.length - 1) follow(search, value[field], depth + 1);
  else followLeaf(search, value, field);
}

function followLeaf(search: Search, mapping: Record<string, unknown>, field: string): void {
  const leaf = mapping[field];
  if (!Array.isArray(leaf)) {
    followValue(search, leaf, mapping, field);
    return;
  }
  for (const [index, item] of leaf.entries()) followValue(search, item, leaf, index);
}

function followValue(search: Search, value: unknown, container: object, at: string | number): void {
  if (value === null || value === undefined) return;
  if (typeof value === "string") followText(search, value, container, at);
  else if (isFields(value)) followMapping(search, value);
  else throw new Doubtful("a name that is no text");
}

function followText(search: Search, name: string, container: object, at: string | number): void {
  const referral = select(search, name, candidates(search, name), (one, other) => one.name === other.name);
  const found = referral?.object.metadata.name;
  if (found === undefined || found === name) return;
  note(search, container, at);
  if (Array.isArray(container) && typeof at === "number") {
    // The same care as in a mapping: nothing that needs quotes.
    setText({}, "name", found);
    container[at] = found;
  } else if (isFields(container) && typeof at === "string") setText(container, at, found);
}

/** A reference that has a name and a namespace: both follow. */
function followMapping(search: Search, mapping: Record<string, unknown>): void {
  const { name, namespace } = mapping;
  if (typeof name !== "string" || ("namespace" in mapping && typeof namespace !== "string"))
    throw new Doubtful("a reference without a name");
  const meant = candidates(search, name);
  const among = typeof namespace === "string" ? inNamespace(search, meant, namespace) : meant;
  const isSame = (one: Names, other: Names) => one.name === other.name && one.namespace === other.namespace;
  const referral = select(search, name, among, isSame)?.object.metadata;
  if (referral === undefined || (referral.name === name && !referral.namespace)) return;
  if (referral.name !== name || referral.namespace !== namespace) note(search, mapping, "name");
  setText(mapping, "name", referral.name);
  if (referral.namespace) setText(mapping, "namespace", referral.namespace);
}

function note({ changed }: Search, container: object, at: string | number): void {
  const fields = changed.get(container) ?? new Set();
  if (fields.has(at)) throw new Doubtful("a reference that two objects could be meant by");
  changed.set(container, fields.add(at));
}

/** Resources that had the name, and that the referrer may refer to at all. */
function candidates({ known, isReachable }: Search, name: string): readonly Resource[] {
  return known.byName.get(name)?.filter(isReachable) ?? [];
}

/** Objects in one namespace refer to one another; what has none refers and is referred to freely, and a binding names namespaces. */
function reachableFrom(referrer: Resource): (resource: Resource) => boolean {
  if (isClusterScoped(referrer.object)) return () => true;
  const { namespace } = currentId(referrer);
  const { kind, subjects } = referrer.object;
  const accounts = kind === "RoleBinding" && Array.isArray(subjects) ? subjects.filter(isFields).filter(isAccount) : [];
  const bound = new Set<unknown>(accounts.map((account) => account.namespace));
  return (resource) =>
    isClusterScoped(resource.object) ||
    currentId(resource).namespace === namespace ||
    bound.has(resource.object.metadata.namespace ?? "");
}

function isAccount({ kind, namespace }: Record<string, unknown>): boolean {
  return kind === "ServiceAccount" && namespace !== undefined;
}

/** Those whose first namespace it was or, where no candidate at all came from there, those that are in it now. */
function inNamespace(search: Search, meant: readonly Resource[], namespace: string): readonly Resource[] {
  const allowed = search.known.all.filter(search.isReachable);
  const fromThere = allowed.some((resource) => originalId(resource).namespace === namespace);
  return meant.filter((resource) => (fromThere ? originalId(resource) : currentId(resource)).namespace === namespace);
}

type Names = { name: string; namespace?: string };

function select(
  search: Search,
  name: string,
  from: readonly Resource[],
  isSame: (one: Names, other: Names) => boolean,
): Resource | undefined {
  const { referrer, target } = search;
  let found = from.filter(
    ({ previous }) => previous.some((id) => id.name === name) && previous.some((id) => isSelected(id, target)),
  );
  found = found.filter((resource) => isRole(search, resource) && isNear(referrer, resource));
  if (found.length <= 1) return found[0];
  found = found.filter((resource) => isInContext(resource, referrer, true));
  if (found.length > 1) found = found.filter((resource) => isInContext(resource, referrer, false));
  const [first] = found;
  if (first !== undefined && !found.every(({ object }) => isSame(object.metadata, first.object.metadata)))
    throw new Doubtful("several objects that could be meant");
  return first;
}

/** A `roleRef` says what it means by the group and kind beside the name. */
function isRole({ referrer, path }: Search, { previous }: Resource): boolean {
  if (path.join("/") !== "roleRef/name") return true;
  const { roleRef } = referrer.object;
  if (!isFields(roleRef)) return true;
  const { apiGroup, kind } = roleRef;
  if (apiGroup === undefined || kind === undefined || apiGroup === null || kind === null) return true;
  if (typeof apiGroup !== "string" || typeof kind !== "string" || apiGroup === "" || kind === "")
    throw new Doubtful("a role of an unusual shape");
  return previous.some((id) => isSelected(id, { group: apiGroup, kind }));
}

function isNear(referrer: Resource, resource: Resource): boolean {
  if (isClusterScoped(referrer.object) || isClusterScoped(resource.object)) return true;
  return resource.object.kind === "ServiceAccount" || currentId(referrer).namespace === currentId(resource).namespace;
}

/** Whether two resources have come through the same kustomizations, as far as their prefixes and suffixes tell. */
function isInContext(one: Resource, other: Resource, orNone: boolean): boolean {
  const agree = (ours: readonly string[], theirs: readonly string[]) =>
    (orNone && (ours.length === 0 || theirs.length === 0)) || endAlike(ours, theirs);
  return agree(one.prefixes, other.prefixes) && agree(one.suffixes, other.suffixes);
}

function endAlike(ours: readonly string[], theirs: readonly string[]): boolean {
  const length = Math.min(ours.length, theirs.length);
  if (length === 0) return ours.length === theirs.length;
  return ours.slice(-length).join() === theirs.slice(-length).join();
}
