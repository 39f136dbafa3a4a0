/** The package's entry: Chord as a library, and its server for embedding. */
export type { Credentials } from './access/credentials.ts';
export type { Grant, Verb } from './access/grants.ts';
export type { OwnAuthenticate } from './access/own.ts';
export type { ViewerDescription } from './access/viewer.ts';
export type { App, AppOptions } from './app/app.ts';
export { createApp } from './app/app.ts';
export type {
  Announcement,
  Backend,
  DeltaListOptions,
  Due,
  DueKind,
  DueOptions,
  Lease,
  ListOptions,
  Note,
  RateOptions,
  ReadOptions,
  View,
  Watch,
} from './backend/backend.ts';
export type { Base, CommitOptions, CommitResult, IdempotencyRecord, Outcome, Step, Write } from './backend/commit.ts';
export type { Absent, DeltaRecord, Head, Known, KnownContext, Tombstone } from './backend/known.ts';
export type { LmdbOptions } from './backend/lmdb/lmdb.ts';
export { LmdbBackend } from './backend/lmdb/lmdb.ts';
export { MemoryBackend } from './backend/memory.ts';
export type { RedisOptions } from './backend/redis/redis.ts';
export { RedisBackend } from './backend/redis/redis.ts';
export type { ChordOptions } from './chord.ts';
export { createChord } from './chord.ts';
export type { Clock } from './clock.ts';
export { systemClock } from './clock.ts';
export { ConfigError } from './config/config-error.ts';
export type { ConfigFile } from './config-file.ts';
export { defineConfig } from './config-file.ts';
export type { Change, ChangeAction, Changes, Delta, Path } from './delta/delta.ts';
export type { DeltaFormatter } from './delta/format.ts';
export { flatFormatter, treeFormatter } from './delta/format.ts';
export type { JsonObject, JsonValue } from './delta/json.ts';
export {
  BackendUnavailableError,
  BadUserInputError,
  ChordError,
  ContextNotFoundError,
  DataDirectoryError,
  ExternalStorageError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidStateError,
  LimitExceededError,
  NotConfiguredError,
  RedisStoreError,
  UnauthenticatedError,
  VersionConflictError,
} from './errors.ts';
export type { ExternalName } from './external/builtin.ts';
export type { ExportedContext, Exporter, ExternalCall, ProvidedContext, Provider } from './external/external.ts';
export { exportFormat } from './external/external.ts';
export type {
  ClientPosition,
  ContextEvent,
  ContextGone,
  ContextRecord,
  FullContext,
  FullReason,
  GoneCause,
  NoChange,
  NoContext,
  Page,
  Position,
  SortDirection,
} from './model.ts';
export type { LogFormat, Logger, LogLevel } from './observability/logger.ts';
export { silentLogger } from './observability/logger.ts';
export type { ServerStats } from './server/stats.ts';
export type {
  Chord,
  ChordStats,
  CleanupOptions,
  CleanupReport,
  CleanupStatus,
  ContextEvents,
  DeleteResult,
  ExportResult,
  FollowOptions,
  RestoreOptions,
  RestoreResult,
  ScheduleOptions,
  SetOptions,
  UpdateOptions,
  WriteOptions,
  WriteResult,
} from './service/chord.ts';
export type {
  InsertedRange,
  ListContextsOptions,
  ListDeltasOptions,
  PageOptions,
} from './service/list-input.ts';
export type { ContextPage, DeltaPage } from './service/lists.ts';
