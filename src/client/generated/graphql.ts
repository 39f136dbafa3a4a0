/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** What happened to a path. */
export type ChangeAction =
  /** It was not there before; `value` is what is there now. */
  | 'ADDED'
  /** It held `oldValue` and holds `value`. */
  | 'MODIFIED'
  /** It held `oldValue` and is gone. */
  | 'REMOVED';

/** Which contexts to list; all conditions must hold. */
export type ContextFilter = {
  /** Only ids that begin so. */
  idPrefix?: string | null | undefined;
  /** Only these: at most 250. */
  ids?: Array<string> | null | undefined;
  /** Only contexts last written after this moment. */
  insertedAfter?: string | null | undefined;
  /** Only contexts last written before this moment. */
  insertedBefore?: string | null | undefined;
  /** Only contexts at this version. */
  version?: number | null | undefined;
};

/** Why the whole context is sent. */
export type FullContextReason =
  /** The client has a later version than the store. */
  | 'CLIENT_AHEAD'
  /** The client has a position in another epoch of the context. */
  | 'EPOCH_CHANGED'
  /** The client has no position. */
  | 'NO_POSITION'
  /** The merged delta is heavier than the state, or would merge more than `maxMergeDeltas`. */
  | 'SMALLER'
  /** The deltas that the client lacks are not retained. */
  | 'TOO_OLD';

/** Why a context is gone. */
export type GoneCause =
  /** It was deleted. */
  | 'DELETED'
  /** Its time to live ran out. */
  | 'EXPIRED';

/** The direction of a list. */
export type SortDirection =
  /** Smallest first. */
  | 'ASC'
  /** Largest first. */
  | 'DESC';

export type ContextFieldsFragment = { id: string, epoch: string, version: number, state: Record<string, unknown>, insertedAt: string, createdAt: string, expiresAt: string | null };

export type DeltaFieldsFragment = { contextId: string, epoch: string, fromVersion: number, version: number, insertedAt: string, origin: string | null, changes: Array<{ path: Array<string>, action: ChangeAction, value: unknown, oldValue: unknown }> };

type ContextEventFields_ContextGone_Fragment = { __typename: 'ContextGone', cause: GoneCause, at: string, contextId: string, epoch: string, version: number };

type ContextEventFields_Delta_Fragment = { __typename: 'Delta', contextId: string, epoch: string, version: number, fromVersion: number, insertedAt: string, origin: string | null, changes: Array<{ path: Array<string>, action: ChangeAction, value: unknown, oldValue: unknown }> };

type ContextEventFields_FullContext_Fragment = { __typename: 'FullContext', reason: FullContextReason, contextId: string, epoch: string, version: number, context: { id: string, epoch: string, version: number, state: Record<string, unknown>, insertedAt: string, createdAt: string, expiresAt: string | null } };

type ContextEventFields_NoChange_Fragment = { __typename: 'NoChange', contextId: string, epoch: string, version: number };

type ContextEventFields_NoContext_Fragment = { __typename: 'NoContext', contextId: string, epoch: string, version: number };

export type ContextEventFieldsFragment =
  | ContextEventFields_ContextGone_Fragment
  | ContextEventFields_Delta_Fragment
  | ContextEventFields_FullContext_Fragment
  | ContextEventFields_NoChange_Fragment
  | ContextEventFields_NoContext_Fragment
;

type ErrorFields_ContextNotFoundError_Fragment = { __typename: 'ContextNotFoundError', contextId: string, message: string };

type ErrorFields_ExternalStorageError_Fragment = { __typename: 'ExternalStorageError', message: string };

type ErrorFields_IdempotencyConflictError_Fragment = { __typename: 'IdempotencyConflictError', idempotencyKey: string, message: string };

type ErrorFields_InvalidStateError_Fragment = { __typename: 'InvalidStateError', path: Array<string>, message: string };

type ErrorFields_LimitExceededError_Fragment = { __typename: 'LimitExceededError', limit: string, max: number, actual: number, message: string };

type ErrorFields_NotConfiguredError_Fragment = { __typename: 'NotConfiguredError', option: string, message: string };

type ErrorFields_UnauthenticatedError_Fragment = { __typename: 'UnauthenticatedError', message: string };

type ErrorFields_VersionConflictError_Fragment = { __typename: 'VersionConflictError', contextId: string, currentVersion: number | null, currentEpoch: string | null, message: string };

export type ErrorFieldsFragment =
  | ErrorFields_ContextNotFoundError_Fragment
  | ErrorFields_ExternalStorageError_Fragment
  | ErrorFields_IdempotencyConflictError_Fragment
  | ErrorFields_InvalidStateError_Fragment
  | ErrorFields_LimitExceededError_Fragment
  | ErrorFields_NotConfiguredError_Fragment
  | ErrorFields_UnauthenticatedError_Fragment
  | ErrorFields_VersionConflictError_Fragment
;

export type ContextQueryVariables = Exact<{
  id: string;
}>;


export type ContextQuery = { context: { id: string, epoch: string, version: number, state: Record<string, unknown>, insertedAt: string, createdAt: string, expiresAt: string | null } | null };

export type ContextsQueryVariables = Exact<{
  filter?: ContextFilter | null | undefined;
  after?: string | null | undefined;
  limit?: number;
  offset?: number;
  order?: SortDirection;
}>;


export type ContextsQuery = { contexts: { hasNextPage: boolean, nodes: Array<{ id: string, epoch: string, version: number, state: Record<string, unknown>, insertedAt: string, createdAt: string, expiresAt: string | null }> } | null };

export type DeltasQueryVariables = Exact<{
  contextId?: string | null | undefined;
  after?: string | null | undefined;
  afterVersion?: number | null | undefined;
  insertedBefore?: string | null | undefined;
  insertedAfter?: string | null | undefined;
  limit?: number;
  offset?: number;
  order?: SortDirection;
}>;


export type DeltasQuery = { deltas: { hasNextPage: boolean, nodes: Array<{ contextId: string, epoch: string, fromVersion: number, version: number, insertedAt: string, origin: string | null, changes: Array<{ path: Array<string>, action: ChangeAction, value: unknown, oldValue: unknown }> }> } | null };

export type SyncContextQueryVariables = Exact<{
  id: string;
  clientVersion?: number | null | undefined;
  clientEpoch?: string | null | undefined;
}>;


export type SyncContextQuery = { syncContext:
    | { __typename: 'ContextGone', cause: GoneCause, at: string, contextId: string, epoch: string, version: number }
    | { __typename: 'Delta', contextId: string, epoch: string, version: number, fromVersion: number, insertedAt: string, origin: string | null, changes: Array<{ path: Array<string>, action: ChangeAction, value: unknown, oldValue: unknown }> }
    | { __typename: 'FullContext', reason: FullContextReason, contextId: string, epoch: string, version: number, context: { id: string, epoch: string, version: number, state: Record<string, unknown>, insertedAt: string, createdAt: string, expiresAt: string | null } }
    | { __typename: 'NoChange', contextId: string, epoch: string, version: number }
    | { __typename: 'NoContext', contextId: string, epoch: string, version: number }
   | null };

export type SetContextMutationVariables = Exact<{
  id: string;
  state: Record<string, unknown>;
  ttlMs?: number | null | undefined;
  expectedVersion?: number | null | undefined;
  expectedEpoch?: string | null | undefined;
  idempotencyKey?: string | null | undefined;
  origin?: string | null | undefined;
}>;


export type SetContextMutation = { setContext:
    | { __typename: 'IdempotencyConflictError', idempotencyKey: string, message: string }
    | { __typename: 'InvalidStateError', path: Array<string>, message: string }
    | { __typename: 'LimitExceededError', limit: string, max: number, actual: number, message: string }
    | { __typename: 'SetContextPayload', contextId: string, epoch: string, version: number, changed: boolean, duplicate: boolean }
    | { __typename: 'VersionConflictError', contextId: string, currentVersion: number | null, currentEpoch: string | null, message: string }
   | null };

export type UpdateContextMutationVariables = Exact<{
  id: string;
  changes: Record<string, unknown>;
  remove?: Array<Array<string> | string> | Array<string> | string | null | undefined;
  ttlMs?: number | null | undefined;
  expectedVersion?: number | null | undefined;
  expectedEpoch?: string | null | undefined;
  idempotencyKey?: string | null | undefined;
  origin?: string | null | undefined;
}>;


export type UpdateContextMutation = { updateContext:
    | { __typename: 'ContextNotFoundError', contextId: string, message: string }
    | { __typename: 'IdempotencyConflictError', idempotencyKey: string, message: string }
    | { __typename: 'InvalidStateError', path: Array<string>, message: string }
    | { __typename: 'LimitExceededError', limit: string, max: number, actual: number, message: string }
    | { __typename: 'UpdateContextPayload', contextId: string, epoch: string, version: number, changed: boolean, duplicate: boolean }
    | { __typename: 'VersionConflictError', contextId: string, currentVersion: number | null, currentEpoch: string | null, message: string }
   | null };

export type DeleteContextMutationVariables = Exact<{
  id: string;
  expectedVersion?: number | null | undefined;
  expectedEpoch?: string | null | undefined;
  idempotencyKey?: string | null | undefined;
  origin?: string | null | undefined;
}>;


export type DeleteContextMutation = { deleteContext:
    | { __typename: 'ContextNotFoundError', contextId: string, message: string }
    | { __typename: 'DeleteContextPayload', contextId: string, epoch: string, version: number, duplicate: boolean }
    | { __typename: 'IdempotencyConflictError', idempotencyKey: string, message: string }
    | { __typename: 'VersionConflictError', contextId: string, currentVersion: number | null, currentEpoch: string | null, message: string }
   | null };

export type ExportContextMutationVariables = Exact<{
  id: string;
}>;


export type ExportContextMutation = { exportContext:
    | { __typename: 'ContextNotFoundError', contextId: string, message: string }
    | { __typename: 'ExportContextPayload', contextId: string, epoch: string, version: number, exporter: string }
    | { __typename: 'ExternalStorageError', message: string }
    | { __typename: 'NotConfiguredError', option: string, message: string }
   | null };

export type RestoreContextMutationVariables = Exact<{
  id: string;
  expectedVersion?: number | null | undefined;
  expectedEpoch?: string | null | undefined;
  origin?: string | null | undefined;
}>;


export type RestoreContextMutation = { restoreContext:
    | { __typename: 'ContextNotFoundError', contextId: string, message: string }
    | { __typename: 'ExternalStorageError', message: string }
    | { __typename: 'InvalidStateError', path: Array<string>, message: string }
    | { __typename: 'LimitExceededError', limit: string, max: number, actual: number, message: string }
    | { __typename: 'NotConfiguredError', option: string, message: string }
    | { __typename: 'RestoreContextPayload', contextId: string, epoch: string, version: number, changed: boolean, delta: { contextId: string, epoch: string, fromVersion: number, version: number, insertedAt: string, origin: string | null, changes: Array<{ path: Array<string>, action: ChangeAction, value: unknown, oldValue: unknown }> } | null }
    | { __typename: 'VersionConflictError', contextId: string, currentVersion: number | null, currentEpoch: string | null, message: string }
   | null };

export type CleanupReportFieldsFragment = { contextsExpired: number, deltasTrimmed: number, tombstonesPurged: number, exportsFailed: number, remaining: boolean, durationMs: number };

export type CleanupStatusFieldsFragment = { running: boolean, intervalMs: number, limit: number | null, lastRunAt: string | null, nextRunAt: string | null, failedRuns: number, failingExports: number, lastReport: { contextsExpired: number, deltasTrimmed: number, tombstonesPurged: number, exportsFailed: number, remaining: boolean, durationMs: number } | null };

export type CleanupQueryVariables = Exact<{ [key: string]: never; }>;


export type CleanupQuery = { cleanup: { running: boolean, intervalMs: number, limit: number | null, lastRunAt: string | null, nextRunAt: string | null, failedRuns: number, failingExports: number, lastReport: { contextsExpired: number, deltasTrimmed: number, tombstonesPurged: number, exportsFailed: number, remaining: boolean, durationMs: number } | null } | null };

export type RunCleanupMutationVariables = Exact<{
  limit?: number | null | undefined;
  offset?: number | null | undefined;
  order?: SortDirection | null | undefined;
}>;


export type RunCleanupMutation = { runCleanup: { report: { contextsExpired: number, deltasTrimmed: number, tombstonesPurged: number, exportsFailed: number, remaining: boolean, durationMs: number } } | null };

export type StartCleanupMutationVariables = Exact<{
  intervalMs?: number | null | undefined;
  limit?: number | null | undefined;
}>;


export type StartCleanupMutation = { startCleanup: { status: { running: boolean, intervalMs: number, limit: number | null, lastRunAt: string | null, nextRunAt: string | null, failedRuns: number, failingExports: number, lastReport: { contextsExpired: number, deltasTrimmed: number, tombstonesPurged: number, exportsFailed: number, remaining: boolean, durationMs: number } | null } } | null };

export type StopCleanupMutationVariables = Exact<{ [key: string]: never; }>;


export type StopCleanupMutation = { stopCleanup: { status: { running: boolean, intervalMs: number, limit: number | null, lastRunAt: string | null, nextRunAt: string | null, failedRuns: number, failingExports: number, lastReport: { contextsExpired: number, deltasTrimmed: number, tombstonesPurged: number, exportsFailed: number, remaining: boolean, durationMs: number } | null } } | null };

export type UpdateCleanupMutationVariables = Exact<{
  intervalMs?: number | null | undefined;
  limit?: number | null | undefined;
}>;


export type UpdateCleanupMutation = { updateCleanup: { status: { running: boolean, intervalMs: number, limit: number | null, lastRunAt: string | null, nextRunAt: string | null, failedRuns: number, failingExports: number, lastReport: { contextsExpired: number, deltasTrimmed: number, tombstonesPurged: number, exportsFailed: number, remaining: boolean, durationMs: number } | null } } | null };

export type ContextChangedSubscriptionVariables = Exact<{
  id: string;
  clientVersion?: number | null | undefined;
  clientEpoch?: string | null | undefined;
}>;


export type ContextChangedSubscription = { contextChanged:
    | { __typename: 'ContextGone', cause: GoneCause, at: string, contextId: string, epoch: string, version: number }
    | { __typename: 'Delta', contextId: string, epoch: string, version: number, fromVersion: number, insertedAt: string, origin: string | null, changes: Array<{ path: Array<string>, action: ChangeAction, value: unknown, oldValue: unknown }> }
    | { __typename: 'FullContext', reason: FullContextReason, contextId: string, epoch: string, version: number, context: { id: string, epoch: string, version: number, state: Record<string, unknown>, insertedAt: string, createdAt: string, expiresAt: string | null } }
    | { __typename: 'NoChange', contextId: string, epoch: string, version: number }
    | { __typename: 'NoContext', contextId: string, epoch: string, version: number }
   };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const ContextFieldsFragmentDoc = new TypedDocumentString(`
    fragment ContextFields on Context {
  id
  epoch
  version
  state
  insertedAt
  createdAt
  expiresAt
}
    `, {"fragmentName":"ContextFields"}) as unknown as TypedDocumentString<ContextFieldsFragment, unknown>;
export const DeltaFieldsFragmentDoc = new TypedDocumentString(`
    fragment DeltaFields on Delta {
  contextId
  epoch
  fromVersion
  version
  changes {
    path
    action
    value
    oldValue
  }
  insertedAt
  origin
}
    `, {"fragmentName":"DeltaFields"}) as unknown as TypedDocumentString<DeltaFieldsFragment, unknown>;
export const ContextEventFieldsFragmentDoc = new TypedDocumentString(`
    fragment ContextEventFields on ContextEvent {
  __typename
  contextId
  epoch
  version
  ... on FullContext {
    reason
    context {
      ...ContextFields
    }
  }
  ... on Delta {
    ...DeltaFields
  }
  ... on ContextGone {
    cause
    at
  }
}
    fragment ContextFields on Context {
  id
  epoch
  version
  state
  insertedAt
  createdAt
  expiresAt
}
fragment DeltaFields on Delta {
  contextId
  epoch
  fromVersion
  version
  changes {
    path
    action
    value
    oldValue
  }
  insertedAt
  origin
}`, {"fragmentName":"ContextEventFields"}) as unknown as TypedDocumentString<ContextEventFieldsFragment, unknown>;
export const ErrorFieldsFragmentDoc = new TypedDocumentString(`
    fragment ErrorFields on Error {
  __typename
  message
  ... on ContextNotFoundError {
    contextId
  }
  ... on VersionConflictError {
    contextId
    currentVersion
    currentEpoch
  }
  ... on IdempotencyConflictError {
    idempotencyKey
  }
  ... on InvalidStateError {
    path
  }
  ... on LimitExceededError {
    limit
    max
    actual
  }
  ... on NotConfiguredError {
    option
  }
}
    `, {"fragmentName":"ErrorFields"}) as unknown as TypedDocumentString<ErrorFieldsFragment, unknown>;
export const CleanupReportFieldsFragmentDoc = new TypedDocumentString(`
    fragment CleanupReportFields on CleanupReport {
  contextsExpired
  deltasTrimmed
  tombstonesPurged
  exportsFailed
  remaining
  durationMs
}
    `, {"fragmentName":"CleanupReportFields"}) as unknown as TypedDocumentString<CleanupReportFieldsFragment, unknown>;
export const CleanupStatusFieldsFragmentDoc = new TypedDocumentString(`
    fragment CleanupStatusFields on CleanupStatus {
  running
  intervalMs
  limit
  lastRunAt
  nextRunAt
  lastReport {
    ...CleanupReportFields
  }
  failedRuns
  failingExports
}
    fragment CleanupReportFields on CleanupReport {
  contextsExpired
  deltasTrimmed
  tombstonesPurged
  exportsFailed
  remaining
  durationMs
}`, {"fragmentName":"CleanupStatusFields"}) as unknown as TypedDocumentString<CleanupStatusFieldsFragment, unknown>;
export const ContextDocument = new TypedDocumentString(`
    query Context($id: ID!) {
  context(id: $id) {
    ...ContextFields
  }
}
    fragment ContextFields on Context {
  id
  epoch
  version
  state
  insertedAt
  createdAt
  expiresAt
}`) as unknown as TypedDocumentString<ContextQuery, ContextQueryVariables>;
export const ContextsDocument = new TypedDocumentString(`
    query Contexts($filter: ContextFilter, $after: ID, $limit: Int! = 50, $offset: Int! = 0, $order: SortDirection! = ASC) {
  contexts(
    filter: $filter
    after: $after
    limit: $limit
    offset: $offset
    order: $order
  ) {
    nodes {
      ...ContextFields
    }
    hasNextPage
  }
}
    fragment ContextFields on Context {
  id
  epoch
  version
  state
  insertedAt
  createdAt
  expiresAt
}`) as unknown as TypedDocumentString<ContextsQuery, ContextsQueryVariables>;
export const DeltasDocument = new TypedDocumentString(`
    query Deltas($contextId: ID, $after: ID, $afterVersion: SafeInt, $insertedBefore: DateTime, $insertedAfter: DateTime, $limit: Int! = 50, $offset: Int! = 0, $order: SortDirection! = ASC) {
  deltas(
    contextId: $contextId
    after: $after
    afterVersion: $afterVersion
    insertedBefore: $insertedBefore
    insertedAfter: $insertedAfter
    limit: $limit
    offset: $offset
    order: $order
  ) {
    nodes {
      ...DeltaFields
    }
    hasNextPage
  }
}
    fragment DeltaFields on Delta {
  contextId
  epoch
  fromVersion
  version
  changes {
    path
    action
    value
    oldValue
  }
  insertedAt
  origin
}`) as unknown as TypedDocumentString<DeltasQuery, DeltasQueryVariables>;
export const SyncContextDocument = new TypedDocumentString(`
    query SyncContext($id: ID!, $clientVersion: SafeInt, $clientEpoch: ID) {
  syncContext(id: $id, clientVersion: $clientVersion, clientEpoch: $clientEpoch) {
    ...ContextEventFields
  }
}
    fragment ContextFields on Context {
  id
  epoch
  version
  state
  insertedAt
  createdAt
  expiresAt
}
fragment DeltaFields on Delta {
  contextId
  epoch
  fromVersion
  version
  changes {
    path
    action
    value
    oldValue
  }
  insertedAt
  origin
}
fragment ContextEventFields on ContextEvent {
  __typename
  contextId
  epoch
  version
  ... on FullContext {
    reason
    context {
      ...ContextFields
    }
  }
  ... on Delta {
    ...DeltaFields
  }
  ... on ContextGone {
    cause
    at
  }
}`) as unknown as TypedDocumentString<SyncContextQuery, SyncContextQueryVariables>;
export const SetContextDocument = new TypedDocumentString(`
    mutation SetContext($id: ID!, $state: JSONObject!, $ttlMs: SafeInt, $expectedVersion: SafeInt, $expectedEpoch: ID, $idempotencyKey: String, $origin: String) {
  setContext(
    id: $id
    state: $state
    ttlMs: $ttlMs
    expectedVersion: $expectedVersion
    expectedEpoch: $expectedEpoch
    idempotencyKey: $idempotencyKey
    origin: $origin
  ) {
    ... on SetContextPayload {
      __typename
      contextId
      epoch
      version
      changed
      duplicate
    }
    ...ErrorFields
  }
}
    fragment ErrorFields on Error {
  __typename
  message
  ... on ContextNotFoundError {
    contextId
  }
  ... on VersionConflictError {
    contextId
    currentVersion
    currentEpoch
  }
  ... on IdempotencyConflictError {
    idempotencyKey
  }
  ... on InvalidStateError {
    path
  }
  ... on LimitExceededError {
    limit
    max
    actual
  }
  ... on NotConfiguredError {
    option
  }
}`) as unknown as TypedDocumentString<SetContextMutation, SetContextMutationVariables>;
export const UpdateContextDocument = new TypedDocumentString(`
    mutation UpdateContext($id: ID!, $changes: JSONObject!, $remove: [[String!]!], $ttlMs: SafeInt, $expectedVersion: SafeInt, $expectedEpoch: ID, $idempotencyKey: String, $origin: String) {
  updateContext(
    id: $id
    changes: $changes
    remove: $remove
    ttlMs: $ttlMs
    expectedVersion: $expectedVersion
    expectedEpoch: $expectedEpoch
    idempotencyKey: $idempotencyKey
    origin: $origin
  ) {
    ... on UpdateContextPayload {
      __typename
      contextId
      epoch
      version
      changed
      duplicate
    }
    ...ErrorFields
  }
}
    fragment ErrorFields on Error {
  __typename
  message
  ... on ContextNotFoundError {
    contextId
  }
  ... on VersionConflictError {
    contextId
    currentVersion
    currentEpoch
  }
  ... on IdempotencyConflictError {
    idempotencyKey
  }
  ... on InvalidStateError {
    path
  }
  ... on LimitExceededError {
    limit
    max
    actual
  }
  ... on NotConfiguredError {
    option
  }
}`) as unknown as TypedDocumentString<UpdateContextMutation, UpdateContextMutationVariables>;
export const DeleteContextDocument = new TypedDocumentString(`
    mutation DeleteContext($id: ID!, $expectedVersion: SafeInt, $expectedEpoch: ID, $idempotencyKey: String, $origin: String) {
  deleteContext(
    id: $id
    expectedVersion: $expectedVersion
    expectedEpoch: $expectedEpoch
    idempotencyKey: $idempotencyKey
    origin: $origin
  ) {
    ... on DeleteContextPayload {
      __typename
      contextId
      epoch
      version
      duplicate
    }
    ...ErrorFields
  }
}
    fragment ErrorFields on Error {
  __typename
  message
  ... on ContextNotFoundError {
    contextId
  }
  ... on VersionConflictError {
    contextId
    currentVersion
    currentEpoch
  }
  ... on IdempotencyConflictError {
    idempotencyKey
  }
  ... on InvalidStateError {
    path
  }
  ... on LimitExceededError {
    limit
    max
    actual
  }
  ... on NotConfiguredError {
    option
  }
}`) as unknown as TypedDocumentString<DeleteContextMutation, DeleteContextMutationVariables>;
export const ExportContextDocument = new TypedDocumentString(`
    mutation ExportContext($id: ID!) {
  exportContext(id: $id) {
    ... on ExportContextPayload {
      __typename
      contextId
      epoch
      version
      exporter
    }
    ...ErrorFields
  }
}
    fragment ErrorFields on Error {
  __typename
  message
  ... on ContextNotFoundError {
    contextId
  }
  ... on VersionConflictError {
    contextId
    currentVersion
    currentEpoch
  }
  ... on IdempotencyConflictError {
    idempotencyKey
  }
  ... on InvalidStateError {
    path
  }
  ... on LimitExceededError {
    limit
    max
    actual
  }
  ... on NotConfiguredError {
    option
  }
}`) as unknown as TypedDocumentString<ExportContextMutation, ExportContextMutationVariables>;
export const RestoreContextDocument = new TypedDocumentString(`
    mutation RestoreContext($id: ID!, $expectedVersion: SafeInt, $expectedEpoch: ID, $origin: String) {
  restoreContext(
    id: $id
    expectedVersion: $expectedVersion
    expectedEpoch: $expectedEpoch
    origin: $origin
  ) {
    ... on RestoreContextPayload {
      __typename
      contextId
      epoch
      version
      changed
      delta {
        ...DeltaFields
      }
    }
    ...ErrorFields
  }
}
    fragment DeltaFields on Delta {
  contextId
  epoch
  fromVersion
  version
  changes {
    path
    action
    value
    oldValue
  }
  insertedAt
  origin
}
fragment ErrorFields on Error {
  __typename
  message
  ... on ContextNotFoundError {
    contextId
  }
  ... on VersionConflictError {
    contextId
    currentVersion
    currentEpoch
  }
  ... on IdempotencyConflictError {
    idempotencyKey
  }
  ... on InvalidStateError {
    path
  }
  ... on LimitExceededError {
    limit
    max
    actual
  }
  ... on NotConfiguredError {
    option
  }
}`) as unknown as TypedDocumentString<RestoreContextMutation, RestoreContextMutationVariables>;
export const CleanupDocument = new TypedDocumentString(`
    query Cleanup {
  cleanup {
    ...CleanupStatusFields
  }
}
    fragment CleanupReportFields on CleanupReport {
  contextsExpired
  deltasTrimmed
  tombstonesPurged
  exportsFailed
  remaining
  durationMs
}
fragment CleanupStatusFields on CleanupStatus {
  running
  intervalMs
  limit
  lastRunAt
  nextRunAt
  lastReport {
    ...CleanupReportFields
  }
  failedRuns
  failingExports
}`) as unknown as TypedDocumentString<CleanupQuery, CleanupQueryVariables>;
export const RunCleanupDocument = new TypedDocumentString(`
    mutation RunCleanup($limit: Int, $offset: Int, $order: SortDirection) {
  runCleanup(limit: $limit, offset: $offset, order: $order) {
    report {
      ...CleanupReportFields
    }
  }
}
    fragment CleanupReportFields on CleanupReport {
  contextsExpired
  deltasTrimmed
  tombstonesPurged
  exportsFailed
  remaining
  durationMs
}`) as unknown as TypedDocumentString<RunCleanupMutation, RunCleanupMutationVariables>;
export const StartCleanupDocument = new TypedDocumentString(`
    mutation StartCleanup($intervalMs: SafeInt, $limit: Int) {
  startCleanup(intervalMs: $intervalMs, limit: $limit) {
    status {
      ...CleanupStatusFields
    }
  }
}
    fragment CleanupReportFields on CleanupReport {
  contextsExpired
  deltasTrimmed
  tombstonesPurged
  exportsFailed
  remaining
  durationMs
}
fragment CleanupStatusFields on CleanupStatus {
  running
  intervalMs
  limit
  lastRunAt
  nextRunAt
  lastReport {
    ...CleanupReportFields
  }
  failedRuns
  failingExports
}`) as unknown as TypedDocumentString<StartCleanupMutation, StartCleanupMutationVariables>;
export const StopCleanupDocument = new TypedDocumentString(`
    mutation StopCleanup {
  stopCleanup {
    status {
      ...CleanupStatusFields
    }
  }
}
    fragment CleanupReportFields on CleanupReport {
  contextsExpired
  deltasTrimmed
  tombstonesPurged
  exportsFailed
  remaining
  durationMs
}
fragment CleanupStatusFields on CleanupStatus {
  running
  intervalMs
  limit
  lastRunAt
  nextRunAt
  lastReport {
    ...CleanupReportFields
  }
  failedRuns
  failingExports
}`) as unknown as TypedDocumentString<StopCleanupMutation, StopCleanupMutationVariables>;
export const UpdateCleanupDocument = new TypedDocumentString(`
    mutation UpdateCleanup($intervalMs: SafeInt, $limit: Int) {
  updateCleanup(intervalMs: $intervalMs, limit: $limit) {
    status {
      ...CleanupStatusFields
    }
  }
}
    fragment CleanupReportFields on CleanupReport {
  contextsExpired
  deltasTrimmed
  tombstonesPurged
  exportsFailed
  remaining
  durationMs
}
fragment CleanupStatusFields on CleanupStatus {
  running
  intervalMs
  limit
  lastRunAt
  nextRunAt
  lastReport {
    ...CleanupReportFields
  }
  failedRuns
  failingExports
}`) as unknown as TypedDocumentString<UpdateCleanupMutation, UpdateCleanupMutationVariables>;
export const ContextChangedDocument = new TypedDocumentString(`
    subscription ContextChanged($id: ID!, $clientVersion: SafeInt, $clientEpoch: ID) {
  contextChanged(
    id: $id
    clientVersion: $clientVersion
    clientEpoch: $clientEpoch
  ) {
    ...ContextEventFields
  }
}
    fragment ContextFields on Context {
  id
  epoch
  version
  state
  insertedAt
  createdAt
  expiresAt
}
fragment DeltaFields on Delta {
  contextId
  epoch
  fromVersion
  version
  changes {
    path
    action
    value
    oldValue
  }
  insertedAt
  origin
}
fragment ContextEventFields on ContextEvent {
  __typename
  contextId
  epoch
  version
  ... on FullContext {
    reason
    context {
      ...ContextFields
    }
  }
  ... on Delta {
    ...DeltaFields
  }
  ... on ContextGone {
    cause
    at
  }
}`) as unknown as TypedDocumentString<ContextChangedSubscription, ContextChangedSubscriptionVariables>;