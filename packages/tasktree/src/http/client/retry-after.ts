/** What `Retry-After` asks for (RFC 9110, section 10.2.3). Date.parse would read "0.5" and "10, 20" as days gone by. */

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The three forms of a time of day (section 5.6.7): HTTP's own, that of RFC 850, that of C's asctime(). */
const forms = [
  /^[A-Z][a-z]{2}, (?<day>\d\d) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^[A-Z][a-z]+day, (?<day>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/,
];

/** The pause in milliseconds, however long; undefined if the value is neither seconds nor a time of day. */
export function parseRetryAfter(value: string): number | undefined {
  const text = value.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  for (const form of forms) {
    const parts = form.exec(text)?.groups;
    if (parts !== undefined) return pauseUntil(parts);
  }
  return undefined;
}

function pauseUntil({ day, month, year, time }: Record<string, string>): number | undefined {
  const index = months.indexOf(month!);
  if (index < 0) return undefined;
  const [hours, minutes, seconds] = time!.split(":").map(Number) as [number, number, number];
  const moment = Date.UTC(fullYear(year!), index, Number(day), hours, minutes, seconds);
  return Math.max(0, moment - Date.now());
}

/** Two digits never mean more than 50 years from now. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length > 2) return year;
  const thisYear = new Date().getUTCFullYear();
  const inCentury = thisYear - (thisYear % 100) + year;
  return inCentury > thisYear + 50 ? inCentury - 100 : inCentury;
}
