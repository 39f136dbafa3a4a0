import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine reaches what listens on the host: 127.0.0.0/8, ::1 in any writing, or localhost. */
export function isLoopback(host: string): boolean {
  const address = /^\[.*\]$/.test(host) ? host.slice(1, -1) : host;
  switch (isIP(address)) {
    case 4:
      return loopback.check(address);
    case 6:
      return loopback.check(address, 'ipv6');
    default:
      return address.toLowerCase() === 'localhost';
  }
}
