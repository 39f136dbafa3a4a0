import type { Position } from '../model.ts';
import type { Logger } from '../observability/logger.ts';
import type { ChordService } from '../service/service.ts';

/** What every resolver receives. (GraphQL calls it "context", a word that is taken here.) */
export interface RequestScope {
  readonly chord: ChordService;
  readonly logger: Logger;
  /**
   * Where the client of an SSE stream says it is (`Last-Event-ID`), which outranks the arguments: an `EventSource`
   * repeats its first URL for ever. Null: it has no position. Undefined: it did not say.
   */
  readonly resumeFrom?: Position | null | undefined;
  /** Told the position of every event before it is sent. */
  readonly onPosition?: ((position: Position) => void) | undefined;
}
