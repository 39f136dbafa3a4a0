/**
 * One buffer that all sockets of the load generator read into. What has arrived is looked at before the next read, so
 * nothing is allocated for it: the generator must not be what limits the servers.
 */
export const readBuffer: Buffer = Buffer.allocUnsafeSlow(256 * 1024);
