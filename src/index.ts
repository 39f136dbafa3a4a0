/** The package's entry: Chord as a library, and its server for embedding. */
export type { App, AppOptions } from './app.ts';
export { createApp } from './app.ts';
export type {
  Announcement,
  Backend,
  Base,
  CommitOptions,
  CommitResult,
  DeltaRecord,
  Head,
  Known,
  Step,
  View,
  Watch,
  Write,
} from './backend/backend.ts';
export { MemoryBackend } from './backend/memory.ts';
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
  IdempotencyConflictError,
  InvalidStateError,
  LimitExceededError,
  VersionConflictError,
} from './errors.ts';
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
} from './model.ts';
export type { Logger } from './observability/logger.ts';
export type {
  ChordService,
  DeleteResult,
  FollowOptions,
  ServiceStats,
  SetOptions,
  UpdateOptions,
  WriteOptions,
  WriteResult,
} from './service/service.ts';
