import type { Provider } from "./provider.ts";

/** A provider that is `inner` but for what it does its own way. Its limits are those that `inner` has by then. */
export function around(
  inner: Provider,
  own: Pick<Provider, "embed"> & Partial<Pick<Provider, "ready">>,
): Provider {
  return {
    backend: inner.backend,
    model: inner.model,
    dimensions: inner.dimensions,
    fingerprint: inner.fingerprint,
    earlierName: inner.earlierName,
    queryFingerprint: inner.queryFingerprint,
    get limits() {
      return inner.limits;
    },
    restrict: (limits) => inner.restrict?.(limits),
    ready: (signal) => inner.ready(signal),
    close: () => inner.close(),
    ...own,
  };
}
