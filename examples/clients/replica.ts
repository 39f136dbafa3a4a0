/**
 * A local copy of one context, kept by the client rule of docs/protocol.md: a delta is applied only if it continues the
 * copy. The recipes beside this file differ in how events arrive and how the position goes back to the server.
 */
// docs:begin
// In a project of your own: from 'chord/delta'. It imports nothing and runs in browsers.
import { apply, type Changes, type JsonObject } from '../../src/delta/index.ts';

export const followQuery = /* GraphQL */ `
  subscription Follow($id: ID!, $clientVersion: SafeInt, $clientEpoch: ID) {
    contextChanged(id: $id, clientVersion: $clientVersion, clientEpoch: $clientEpoch) {
      __typename
      epoch
      version
      ... on FullContext { context { id epoch version state } }
      ... on Delta { fromVersion changes { action path value oldValue } }
    }
  }
`;

export interface Context {
  readonly id: string;
  readonly epoch: string;
  readonly version: number;
  readonly state: JsonObject;
}

export type FollowEvent = { readonly epoch: string; readonly version: number } & (
  | { readonly __typename: 'FullContext'; readonly context: Context }
  | { readonly __typename: 'Delta'; readonly fromVersion: number; readonly changes: Changes }
  | { readonly __typename: 'NoChange' | 'ContextGone' | 'NoContext' }
);

/** What a client sends to be told only what it lacks. Empty: it has nothing. */
export interface Position {
  readonly clientEpoch?: string;
  readonly clientVersion?: number;
}

/** Whether the event ends the position. */
export function isGone({ __typename }: FollowEvent): boolean {
  return __typename === 'ContextGone' || __typename === 'NoContext';
}

export class Replica {
  /** Undefined: there is no context, or nothing is known of it yet. */
  state: JsonObject | undefined;
  position: Position = {};

  /** Answers false when the event does not continue the copy, which is dropped then: subscribe again. */
  take(event: FollowEvent): boolean {
    const { __typename, epoch, version } = event;
    switch (__typename) {
      case 'FullContext':
        this.state = event.context.state;
        break;
      case 'Delta':
        if (this.state === undefined || !this.isAt(epoch, event.fromVersion)) return this.drop();
        this.state = apply(this.state, event.changes);
        break;
      case 'NoChange':
        return this.isAt(epoch, version) || this.drop();
      case 'ContextGone':
      case 'NoContext':
        this.drop();
        return true;
    }
    this.position = { clientEpoch: epoch, clientVersion: version };
    return true;
  }

  isAt(epoch: string, version: number): boolean {
    return this.position.clientEpoch === epoch && this.position.clientVersion === version;
  }

  drop(): false {
    this.state = undefined;
    this.position = {};
    return false;
  }
}

/** How every recipe is started. It returns a function that ends it. */
export interface FollowOptions {
  /** For example http://localhost:4000/graphql */
  readonly url: string;
  readonly id: string;
  /** Called after every event, with the state as it is then; undefined: there is no context. */
  readonly onEvent: (event: FollowEvent, state: JsonObject | undefined) => void;
  /** Called with what a person should see: the server refused the subscription. */
  readonly onError: (error: unknown) => void;
}

/** What a subscription to `followQuery` yields. */
export interface FollowData {
  readonly contextChanged: FollowEvent;
}
// docs:end
