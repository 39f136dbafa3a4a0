import { describe, expect, test } from 'vitest';
import { describeTarget, parseRedisUrls, splitUrls } from '../../../src/backend/redis/connection/target.ts';

describe('one server', () => {
  test.each([
    ['redis://cache', { host: 'cache', port: 6379, tls: false }],
    ['redis://cache:7000/', { host: 'cache', port: 7000, tls: false }],
    ['REDIS://cache', { host: 'cache', port: 6379, tls: false }],
    ['rediss://cache:7000/3', { host: 'cache', port: 7000, tls: true, db: 3 }],
    ['redis://[::1]:7000', { host: '::1', port: 7000, tls: false }],
    ['redis://[fe80::1%25eth0]', { host: 'fe80::1%eth0', port: 6379, tls: false }],
    ['redis://:pass@cache', { host: 'cache', port: 6379, tls: false, password: 'pass' }],
    ['redis://user@cache', { host: 'cache', port: 6379, tls: false, username: 'user' }],
    [
      'redis://us%40er:p%2F%3A%40%25@cache/0',
      { host: 'cache', port: 6379, tls: false, username: 'us@er', password: 'p/:@%', db: 0 },
    ],
    ['redis://user:p:/@ss@cache', { host: 'cache', port: 6379, tls: false, username: 'user', password: 'p:/@ss' }],
  ])('%s', (url, target) => {
    expect(parseRedisUrls([url])).toEqual({ kind: 'standalone', ...target });
  });
});

describe('Sentinels', () => {
  test.each([
    [
      'redis+sentinel://one,two:7000/main',
      {
        sentinels: [
          { host: 'one', port: 26_379 },
          { host: 'two', port: 7000 },
        ],
        name: 'main',
        tls: false,
      },
    ],
    [
      'rediss+sentinel://u:p@[::1]/ma%20in/2?sentinelUsername=s&sentinelPassword=q%26',
      {
        sentinels: [{ host: '::1', port: 26_379 }],
        name: 'ma in',
        tls: true,
        db: 2,
        username: 'u',
        password: 'p',
        sentinelUsername: 's',
        sentinelPassword: 'q&',
      },
    ],
  ])('%s', (url, target) => {
    expect(parseRedisUrls([url])).toEqual({ kind: 'sentinel', ...target });
  });
});

describe('a Cluster', () => {
  const nodes = [
    { host: 'one', port: 6379 },
    { host: 'two', port: 7000 },
  ];

  test.each([
    [['redis+cluster://one,two:7000'], { nodes, tls: false }],
    [['redis+cluster://u:p@one,two:7000/0'], { nodes, tls: false, username: 'u', password: 'p' }],
    [['redis://one', 'redis://two:7000'], { nodes, tls: false }],
    [['rediss://:p@one', 'rediss://:p@two:7000/0'], { nodes, tls: true, password: 'p' }],
    [['redis+cluster://one', 'redis://two:7000'], { nodes, tls: false }],
  ])('%j', (urls, target) => {
    expect(parseRedisUrls(urls)).toEqual({ kind: 'cluster', ...target });
  });
});

describe('refused', () => {
  test.each([
    [[], 'redisUrl is empty; expected the URL of a Redis.'],
    [[''], /expected redis:\/\//],
    [['cache:6379'], /expected redis:\/\//],
    [['http://:hush@cache'], /expected redis:\/\//],
    [['redisss://:hush@cache'], /expected redis:\/\//],
    [['redis://'], /a host or port cannot be read/],
    [['redis://:hush@'], /a host or port cannot be read/],
    [['redis://::1'], /a host or port cannot be read/],
    [['redis://user:1?hush@cache'], /what follows the \? is none of/],
    [['redis://user:1?hush=hush@cache'], /what follows the \? is none of/],
    [['redis://cache:'], /a port is not a number/],
    [['redis://cache:port'], /a port is not a number/],
    [['redis://cache:0'], /a port is not a number/],
    [['redis://cache:65536'], /a port is not a number/],
    [['redis://:hush@one,two'], /one redis:\/\/ URL names one host/],
    [['redis://:hush@cache/one'], /not the number of a database/],
    [['redis://cache/-1'], /not the number of a database/],
    [['redis://cache/1/2'], /not the number of a database/],
    [['redis://:%zz@cache'], /the password is not percent-encoded/],
    [['redis://cache?tls=hush'], /what follows the \? is none of/],
    [['redis+cluster://cache?sentinelPassword=hush'], /what follows the \? is none of/],
    [['redis+sentinel://one?password=hush'], /the name of the master is missing/],
    [['redis+sentinel://one/main?password=hush'], /what follows the \? is none of/],
    [['redis+sentinel://one'], /the name of the master is missing/],
    [['redis+sentinel://one/main/two'], /not the number of a database/],
    [['redis+sentinel://:hush@one/main', 'redis://:hush@two'], /Sentinels are written as one URL/],
    [['redis+cluster://cache/1'], /a Cluster has only the database 0/],
    [['redis://one/1', 'redis://two/1'], /a Cluster has only the database 0/],
    [['redis://:hush@one', 'redis://:hush2@two'], /must have the same user, the same password/],
    [['redis://one', 'rediss://two'], /all TLS or none/],
  ])('%j', (urls, message) => {
    let error: unknown;
    try {
      parseRedisUrls(urls);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TypeError);
    const text = String(error);
    expect(text).toMatch(message);
    expect(text).toMatch(/redisUrl/);
    expect(text).not.toMatch(/hush/);
  });
});

test('commas separate URLs where a scheme follows, else hosts', () => {
  expect(splitUrls('redis://one')).toEqual(['redis://one']);
  expect(splitUrls('redis://one, rediss://two:7000,redis+cluster://three')).toEqual([
    'redis://one',
    ' rediss://two:7000',
    'redis+cluster://three',
  ]);
  expect(splitUrls('redis+sentinel://one,two/main')).toEqual(['redis+sentinel://one,two/main']);
});

test('a target is described by its addresses alone', () => {
  const texts = ['redis://u:p@[::1]/3', 'redis+sentinel://u:p@a,b:1/main', 'redis+cluster://u:p@a,b'].map((url) =>
    describeTarget(parseRedisUrls([url])),
  );
  expect(texts).toEqual(['[::1]:6379', 'main of the Sentinels a:26379, b:1', 'the Cluster at a:6379, b:6379']);
});
