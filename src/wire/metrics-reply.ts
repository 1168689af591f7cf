/**
 * `GET /metrics` as JSON. A histogram has no place in the original's form, so it is spread over `<name>_bucket`,
 * `<name>_sum` and `<name>_count`, as the text format names its lines.
 */
export type MeterReading = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly {
    readonly labels: Readonly<Record<string, string | number | undefined>>;
    readonly value: number;
    /** The name of the line, where a meter has more than one kind of them. */
    readonly line: string | null;
  }[];
};

/**
 * How `GET /metrics` answers: as `?format=` says, else as `Accept` does. Null: a format that there is not. Some HTTP
 * clients always send `application/json, text/plain`: who takes JSON gets JSON, as from the original.
 */
export function metricsFormat(format: unknown, accept: string): 'json' | 'prometheus' | null {
  if (format === 'json' || format === 'prometheus') return format;
  if (format !== undefined) return null;
  const wantsText =
    !/\bapplication\/json\b/i.test(accept) &&
    /\b(?:text\/plain|application\/openmetrics-text)\b/i.test(accept);
  return wantsText ? 'prometheus' : 'json';
}

export const unknownFormat = 'format is neither "prometheus" nor "json".';

export type MetricsReply = {
  readonly metrics: Readonly<Record<string, MetricShape>>;
};
type MetricShape = {
  readonly type: string;
  readonly help: string;
  readonly data: { readonly labels?: Readonly<Record<string, string | number>>; readonly value: number }[];
};

export function metricsReply(readings: readonly MeterReading[]): MetricsReply {
  const metrics: Record<string, MetricShape> = {};
  for (const { name, help, type, values } of readings) {
    if (values.length === 0) metrics[name] = { type, help, data: [] };
    for (const { labels, value, line } of values) {
      const shape = (metrics[line ?? name] ??= { type, help, data: [] });
      const named = Object.entries(labels).flatMap(([label, text]) =>
        text === undefined ? [] : [[label, text] as const],
      );
      shape.data.push(named.length === 0 ? { value } : { labels: Object.fromEntries(named), value });
    }
  }
  return { metrics };
}
