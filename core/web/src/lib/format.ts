// Numbers, times and sizes as people read them. The rule: a value that is not a number is a dash.

const DASH = '–';
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat('en', { maximumSignificantDigits: 6 });
const clockParts = new Intl.DateTimeFormat('en', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const dateParts = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

type Maybe = number | null | undefined;

const known = (value: Maybe): value is number => typeof value === 'number' && isFinite(value);

/** 12,345 */
export const count = (value: Maybe) => (known(value) ? whole.format(value) : DASH);
/** 12.3 */
export const decimal = (value: Maybe) => (known(value) ? tenth.format(value) : DASH);
/** Six significant digits, 1.2e+30 beyond what is read at a glance. */
export function value(number: Maybe): string {
  if (!known(number)) return DASH;
  const size = Math.abs(number);
  return size !== 0 && (size >= 1e9 || size < 1e-5) ? number.toExponential(3) : fine.format(number);
}
/** A beauty score: three decimals. */
export const score = (number: Maybe) => (known(number) ? number.toFixed(3) : DASH);
/** 12.3 % */
export const percent = (number: Maybe) => (known(number) ? `${tenth.format(number)} %` : DASH);
/** Of MiB. */
export const memory = (mebibytes: Maybe) =>
  known(mebibytes) ? `${tenth.format(mebibytes)} MB` : DASH;

/** 42s, 3m 7s, 2h 5m, 3d 4h */
export function duration(seconds: Maybe): string {
  if (!known(seconds)) return DASH;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86_400)}d ${Math.floor((s % 86_400) / 3600)}h`;
}

const time = (when: string | number | null | undefined) => {
  const date = new Date(when ?? NaN);
  return isNaN(date.getTime()) ? null : date;
};
/** Time of day in the reader's zone, 18:04:05. */
export const clock = (when: string | number | null | undefined) => {
  const date = time(when);
  return date ? clockParts.format(date) : DASH;
};
/** Day and time in the reader's zone. */
export const moment = (when: string | number | null | undefined) => {
  const date = time(when);
  return date ? dateParts.format(date) : DASH;
};

/**
 * Foreign text as one line: control characters and the marks that turn the direction of what follows are
 * shown as the pictures that stand for them, and the rest ends after `most` characters.
 */
export function line(text: unknown, most = 200): string {
  const given = typeof text === 'string' ? text : text == null ? '' : String(text);
  const cut = [...given.slice(0, 2 * most)].slice(0, most).join('');
  const shown = cut.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    c => {
      const code = c.charCodeAt(0);
      return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
    },
  );
  return cut.length < given.length ? `${shown}…` : shown;
}
