/* A process with a Redis that hangs, which says where it is and is then killed by its test. */
import { startRedis } from './server.ts';

const server = await startRedis();
server.pause();
process.send?.({ port: server.port, directory: server.directory });
// Until it is killed; or its test is.
process.once('disconnect', () => process.exit());
