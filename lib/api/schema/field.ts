import { type SchemaOptions, type Static, type TSchema, Type } from "@sinclair/typebox";

/**
 * The vocabulary that the kinds' schemas are written in. Everything here renders to a structural schema (KEP-1979's rules):
 * no `anyOf`, no `patternProperties`, a `type` everywhere.
 */

/** A Go duration with hours (KS-001, SRC-032). */
export const interval = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$";
/** A Go duration without hours: the time-outs of sources and Providers (SRC-032, PR-009). */
export const shortInterval = "^([0-9]+(\\.[0-9]+)?(ms|s|m))+$";

/** Text, with whatever limits the field has. */
export function text(
  description: string,
  limits: { pattern?: string; minLength?: number; maxLength?: number; default?: string } = {},
) {
  return Type.String({ description, ...limits });
}

/** True or false. */
export function flag(description: string, options: { default?: boolean } = {}) {
  return Type.Boolean({ description, ...options });
}

/** A 64 bit integer. */
export function integer(description: string, options: { minimum?: number } = {}) {
  return Type.Integer({ description, format: "int64", ...options });
}

/** A time as RFC 3339 has it. */
export function time(description: string) {
  return Type.String({ description, format: "date-time" });
}

/** One of a closed set of words. TypeBox's own enums render as `anyOf`, which no structural schema may have. */
export function word<const Words extends readonly string[]>(
  description: string,
  words: Words,
  options: { default?: Words[number] } = {},
) {
  return Type.Unsafe<Words[number]>({ type: "string", enum: [...words], description, ...options });
}

/** A map from text to text. */
export function textMap(description: string) {
  return Type.Unsafe<Record<string, string>>({ type: "object", additionalProperties: { type: "string" }, description });
}

/** Any JSON value, kept as it is. */
export function anything(description: string) {
  return Type.Unsafe<unknown>({ "x-kubernetes-preserve-unknown-fields": true, description });
}

/** A list. */
export function list<Item extends TSchema>(
  description: string,
  item: Item,
  options: SchemaOptions & { minItems?: number } = {},
) {
  return Type.Array(item, { description, ...options });
}

/** An object, with its validation rules in CEL. */
export function object<Fields extends Record<string, TSchema>>(
  description: string,
  fields: Fields,
  rules: ValidationRule[] = [],
) {
  return Type.Object(fields, { description, ...(rules.length === 0 ? {} : { "x-kubernetes-validations": rules }) });
}

/** A rule that the API server evaluates (KEP-2876), and what it says to who breaks it. */
export type ValidationRule = { rule: string; message: string };

/** A field that may be absent. */
export const optional = Type.Optional;

/** Names another object of the same namespace. */
export function localReference(description: string) {
  return object(description, { name: text("Name of the referent.") });
}

/** The status field that answers `reconcile.fluxcd.io/requestedAt` (KS-006, SRC-007). */
export const lastHandledReconcileAt = text(
  "The last value of the annotation reconcile.fluxcd.io/requestedAt that was acted upon.",
);

/** The status field that kstatus compares with the generation. */
export const observedGeneration = integer("The last generation that was reconciled.");

/** A status, with the value it has before anybody reconciled the object (SRC-004, RC-013). */
export function status<Fields extends Record<string, TSchema>>(description: string, fields: Fields) {
  return Type.Object(fields, { description, default: { observedGeneration: -1 } });
}

/** The type that a schema describes. */
export type TypeOf<Schema extends TSchema> = Static<Schema>;
