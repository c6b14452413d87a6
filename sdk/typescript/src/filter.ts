// Filters select observations by their fields.
import { create, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { ListValueSchema, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { fromJson } from "@bufbuild/protobuf";
import type { FilterClauseSchema, FilterSchema } from "./gen/engram/v1/filter_pb.js";
import { invalid } from "./errors.js";

/** A value to compare with; a Date is compared as a time. */
export type FilterValue = JsonValue | Date;

/**
 * One test of one field: `id`, `observed_at`, `confidence`, `importance`,
 * `context.location`, …, or `metadata.<path>`. Made by {@link eq}, {@link oneOf},
 * {@link between}, {@link above}, {@link below} and {@link exists}.
 */
export type Clause = { key: string } & (
  | { equals: FilterValue }
  | { in: readonly FilterValue[] }
  | { range: { min?: FilterValue; max?: FilterValue; minExclusive?: boolean; maxExclusive?: boolean } }
  | { exists: boolean }
);

/**
 * Matches when all of `all`, at least one of `any` (if there are any) and none
 * of `none` match. A list of clauses stands for `{ all }`.
 */
export type Filter = readonly Clause[] | { all?: readonly Clause[]; any?: readonly Clause[]; none?: readonly Clause[] };

/** Matches when the field equals a value. */
export const eq = (key: string, value: FilterValue): Clause => ({ key, equals: value });
/** Matches when the field equals one of some values (at most 1,000). */
export const oneOf = (key: string, values: readonly FilterValue[]): Clause => ({ key, in: values });
/** Matches when min ≤ field ≤ max. */
export const between = (key: string, min: FilterValue, max: FilterValue): Clause => ({ key, range: { min, max } });
/** Matches when the field is greater than a value. */
export const above = (key: string, min: FilterValue): Clause => ({ key, range: { min, minExclusive: true } });
/** Matches when the field is less than a value. */
export const below = (key: string, max: FilterValue): Clause => ({ key, range: { max, maxExclusive: true } });
/** Matches when the field is there, or, with false, is not. */
export const exists = (key: string, there = true): Clause => ({ key, exists: there });

/** @internal */
export function filterToWire(f: Filter | undefined): MessageInitShape<typeof FilterSchema> | undefined {
  if (f === undefined) {
    return undefined;
  }
  const parts = isList(f) ? { all: f } : f;
  return {
    all: (parts.all ?? []).map(clauseToWire),
    any: ("any" in parts ? (parts.any ?? []) : []).map(clauseToWire),
    none: ("none" in parts ? (parts.none ?? []) : []).map(clauseToWire),
  };
}

function isList(f: Filter): f is readonly Clause[] {
  return Array.isArray(f);
}

function clauseToWire(c: Clause): MessageInitShape<typeof FilterClauseSchema> {
  const { key } = c;
  if ("equals" in c) {
    return { key, test: { case: "equals", value: valueOf(c.equals, key) } };
  }
  if ("in" in c) {
    return { key, test: { case: "in", value: create(ListValueSchema, { values: c.in.map((v) => valueOf(v, key)) }) } };
  }
  if ("range" in c) {
    const { min, max, minExclusive = false, maxExclusive = false } = c.range;
    const bounds = {
      ...(min === undefined ? {} : { min: valueOf(min, key) }),
      ...(max === undefined ? {} : { max: valueOf(max, key) }),
    };
    return { key, test: { case: "range", value: { ...bounds, minExclusive, maxExclusive } } };
  }
  return { key, test: { case: "exists", value: c.exists } };
}

/** Converts a value; a time is written as the contract has it (RFC 3339). */
function valueOf(v: FilterValue, key: string): Value {
  try {
    return fromJson(ValueSchema, v instanceof Date ? v.toISOString() : v);
  } catch (e) {
    throw invalid("filter", `clause on ${JSON.stringify(key)}: ${e instanceof Error ? e.message : String(e)}`, "INVALID_FILTER");
  }
}
