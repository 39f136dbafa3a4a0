/* The server in a process of its own: `node serve.js <directory> <bucket>`. It ends when its parent lets go. */
import S3rver from '@20minutes/s3rver';

const [directory, bucket] = process.argv.slice(2);
const server = new S3rver({
  address: '127.0.0.1',
  port: 0,
  silent: true,
  directory,
  configureBuckets: [{ name: bucket }],
});
const { port } = await server.run();
process.once('disconnect', () => process.exit());
process.send({ port });
