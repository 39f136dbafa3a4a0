/** Whether what listens on this host is reached from its own machine only. A name but `localhost` may be anything. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
