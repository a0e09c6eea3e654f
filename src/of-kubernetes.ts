const PROTOCOL = "(tcp|udp|sctp)";
const ADDRESS = /^(\d+(\.\d+){3}|[\da-f]*:[\da-f:]+)$/i;

/** The names of what Kubernetes tells every container of each service, and the form of their values. */
const VARIABLES: readonly (readonly [name: RegExp, value: RegExp])[] = [
  [new RegExp(`_PORT(_\\d+_${PROTOCOL})?$`, "i"), new RegExp(`^${PROTOCOL}://`)],
  [new RegExp(`_SERVICE_HOST$|_PORT_\\d+_${PROTOCOL}_ADDR$`, "i"), ADDRESS],
  [new RegExp(`_SERVICE_PORT(_\\w+)?$|_PORT_\\d+_${PROTOCOL}_PORT$`, "i"), /^\d+$/],
  [new RegExp(`_PORT_\\d+_${PROTOCOL}_PROTO$`, "i"), new RegExp(`^${PROTOCOL}$`)],
];

/**
 * Whether Kubernetes set this variable: of a service called `embed`, `embedding` or `embed-http`, it would be taken for a
 * setting of ours, or for a misspelled one.
 */
export function isOfKubernetes(name: string, value: string): boolean {
  return VARIABLES.some(([ofName, ofValue]) => ofName.test(name) && ofValue.test(value));
}
