const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(?:Z|[-+](\d\d):(\d\d))$/;

/** Whether Go's `time.Parse(time.RFC3339, text)` takes a text. */
export function isTimestampText(text: string): boolean {
  const [, year, month, day, hour, minute, second] = rfc3339.exec(text) ?? [];
  if (year === undefined) return false;
  const days = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate();
  const within = (digits: string | undefined, least: number, most: number) =>
    Number(digits) >= least && Number(digits) <= most;
  return (
    within(month, 1, 12) &&
    within(day, 1, days) &&
    within(hour, 0, 23) &&
    within(minute, 0, 59) &&
    within(second, 0, 59)
  );
}

/** A time without its fraction of a second, as `time.RFC3339` writes it. */
export function toSeconds(text: string): string {
  return text.replace(/[.,]\d+/, "");
}

/**
 * The time that an unquoted YAML scalar stands for, in RFC 3339 as go-yaml v3 writes it, for a text that go-yaml reads as one
 * (`isTimestamp` of lib/text). What has no zone is UTC.
 */
export function fromYamlTimestamp(text: string): string {
  const [, date = "", , time = "", zone = ""] =
    /^(\d{4}-\d{1,2}-\d{1,2})(?:([Tt ])(\d{1,2}:\d{1,2}:\d{1,2}(?:[.,]\d+)?)(Z|[-+]\d\d:\d\d)?)?$/.exec(text) ?? [];
  const [clock = "0:0:0", fraction = ""] = time === "" ? [] : time.split(/[.,]/);
  const padded = (parts: string[]) => parts.map((part) => part.padStart(2, "0"));
  const digits = fraction.slice(0, 9).replace(/0+$/, "");
  const offset = zone === "" || /^[-+]00:00$/.test(zone) ? "Z" : zone;
  return `${padded(date.split("-")).join("-")}T${padded(clock.split(":")).join(":")}${digits === "" ? "" : `.${digits}`}${offset}`;
}
