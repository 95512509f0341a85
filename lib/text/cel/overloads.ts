import { type CelType, parseType, splitTypes, typeOf } from "./types.ts";

/** One way of calling a function: `args` begins with the receiver of a method. */
export type Overload = { method: boolean; args: readonly CelType[]; result: CelType };

/** Operators, functions and methods, `receiver.name(arguments): result`, of CEL itself. Capitals stand for any type. */
const standard = `
!_(bool): bool
-_(int): int
-_(double): double
_==_(A, A): bool
_!=_(A, A): bool
_+_(bytes, bytes): bytes
_+_(double, double): double
_+_(duration, duration): duration
_+_(duration, timestamp): timestamp
_+_(timestamp, duration): timestamp
_+_(int, int): int
_+_(list(A), list(A)): list(A)
_+_(string, string): string
_+_(uint, uint): uint
_-_(double, double): double
_-_(duration, duration): duration
_-_(int, int): int
_-_(timestamp, duration): timestamp
_-_(timestamp, timestamp): duration
_-_(uint, uint): uint
_*_(double, double): double
_*_(int, int): int
_*_(uint, uint): uint
_/_(double, double): double
_/_(int, int): int
_/_(uint, uint): uint
_%_(int, int): int
_%_(uint, uint): uint
_?_:_(bool, A, A): A
_[_](list(A), int): A
_[_](map(A, B), A): B
@in(A, list(A)): bool
@in(A, map(A, B)): bool
size(bytes): int
size(list(A)): int
size(map(A, B)): int
size(string): int
bytes.size(): int
list(A).size(): int
map(A, B).size(): int
string.size(): int
type(A): type(A)
dyn(A): dyn
bool(bool): bool
bool(string): bool
bytes(bytes): bytes
bytes(string): bytes
double(double): double
double(int): double
double(string): double
double(uint): double
duration(duration): duration
duration(string): duration
int(int): int
int(double): int
int(duration): int
int(string): int
int(timestamp): int
int(uint): int
string(string): string
string(bool): string
string(bytes): string
string(double): string
string(duration): string
string(int): string
string(timestamp): string
string(uint): string
timestamp(timestamp): timestamp
timestamp(int): timestamp
timestamp(string): timestamp
uint(uint): uint
uint(double): uint
uint(int): uint
uint(string): uint
string.contains(string): bool
string.endsWith(string): bool
string.startsWith(string): bool
string.matches(string): bool
matches(string, string): bool
duration.getHours(): int
duration.getMinutes(): int
duration.getSeconds(): int
duration.getMilliseconds(): int`;

/** Optional types, and the extensions for strings, sets and encodings. */
const extensions = `
optional.of(A): optional_type(A)
optional.ofNonZeroValue(A): optional_type(A)
optional.none(): optional_type(A)
optional.unwrap(list(optional_type(A))): list(A)
optional_type(A).value(): A
optional_type(A).hasValue(): bool
optional_type(A).or(optional_type(A)): optional_type(A)
optional_type(A).orValue(A): A
list(optional_type(A)).unwrapOpt(): list(A)
list(A).first(): optional_type(A)
list(A).last(): optional_type(A)
_?._(map(string, B), string): optional_type(B)
_?._(optional_type(map(string, B)), string): optional_type(B)
_[?_](list(A), int): optional_type(A)
_[?_](optional_type(list(A)), int): optional_type(A)
_[?_](map(A, B), A): optional_type(B)
_[?_](optional_type(map(A, B)), A): optional_type(B)
_[_](optional_type(list(A)), int): optional_type(A)
_[_](optional_type(map(A, B)), A): optional_type(B)
string.charAt(int): string
string.format(list(dyn)): string
string.indexOf(string): int
string.indexOf(string, int): int
string.lastIndexOf(string): int
string.lastIndexOf(string, int): int
string.lowerAscii(): string
string.upperAscii(): string
string.replace(string, string): string
string.replace(string, string, int): string
string.reverse(): string
string.split(string): list(string)
string.split(string, int): list(string)
string.substring(int): string
string.substring(int, int): string
string.trim(): string
list(string).join(): string
list(string).join(string): string
strings.quote(string): string
sets.contains(list(A), list(A)): bool
sets.equivalent(list(A), list(A)): bool
sets.intersects(list(A), list(A)): bool
base64.decode(string): bytes
base64.encode(bytes): string`;

const ordered = ["bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"];
const numeric = ["int", "uint", "double"];
const fields = "FullYear Month DayOfYear DayOfMonth Date DayOfWeek Hours Minutes Seconds Milliseconds".split(" ");

/** Prefixes that belong to the name of a function: `sets.contains` is no method. */
const namespaces = new Set(["optional", "strings", "sets", "base64"]);

let known: Map<string, Overload[]> | undefined;

/** The overloads of a function or operator by its name; undefined where there is no such function. */
export function overloadsOf(name: string): readonly Overload[] | undefined {
  known ??= readOverloads();
  return known.get(name);
}

function readOverloads(): Map<string, Overload[]> {
  const overloads = new Map<string, Overload[]>();
  const add = (name: string, overload: Overload) => {
    overloads.set(name, [...(overloads.get(name) ?? []), overload]);
  };
  for (const line of `${standard}${extensions}`.trim().split("\n")) {
    const end = line.lastIndexOf("): ");
    const open = openingOf(line, end);
    const result = parseType(line.slice(end + 3));
    const args = splitTypes(line.slice(open + 1, end)).map(parseType);
    const dot = line.slice(0, open).lastIndexOf(".");
    const receiver = line.slice(0, Math.max(dot, 0));
    if (dot === -1 || namespaces.has(receiver) || line.startsWith("_")) {
      add(line.slice(0, open), { method: false, args, result });
    } else add(line.slice(dot + 1, open), { method: true, args: [parseType(receiver), ...args], result });
  }
  for (const operator of ["<", "<=", ">", ">="]) {
    const pairs = [
      ...ordered.map((kind) => [kind, kind] as const),
      ...numeric.flatMap((left) => numeric.filter((right) => right !== left).map((right) => [left, right] as const)),
    ];
    for (const [left, right] of pairs) {
      add(`_${operator}_`, { method: false, args: [typeOf(left), typeOf(right)], result: typeOf("bool") });
    }
  }
  for (const field of fields) {
    const receiver = typeOf("timestamp");
    add(`get${field}`, { method: true, args: [receiver], result: typeOf("int") });
    add(`get${field}`, { method: true, args: [receiver, typeOf("string")], result: typeOf("int") });
  }
  return overloads;
}

/** Where the arguments begin that end at `end`. */
function openingOf(line: string, end: number): number {
  let depth = 1;
  for (let at = end - 1; at > 0; at--) {
    if (line[at] === ")") depth++;
    if (line[at] === "(" && --depth === 0) return at;
  }
  return 0;
}
