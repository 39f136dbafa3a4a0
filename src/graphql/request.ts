import type { AccessVerbs } from '../access/admin.ts';
import type { Verbs } from '../access/guard.ts';
import type { ReportVerbs } from '../access/report.ts';
import type { Session } from '../access/session.ts';
import type { Position } from '../model.ts';
import type { PolledEvents } from '../service/chord.ts';

/** What every resolver receives. (GraphQL calls it "context", a word that is taken here.) */
export interface RequestScope {
  /** The verbs, as far as the viewer may call them. */
  readonly chord: Verbs;
  /** Who has access, for administrators. */
  readonly access: AccessVerbs;
  /** What goes on in the process, for administrators. */
  readonly reports: ReportVerbs;
  readonly session: Session;
  /** What the subscription goes over; see `Roster`. */
  readonly by?: object | undefined;
  /** Brings new credentials for the session; undefined where it lasts for one request. */
  readonly refresh?: ((token: string) => Promise<void>) | undefined;
  /**
   * Where the client of an SSE stream says it is (`Last-Event-ID`), which outranks the arguments: an `EventSource`
   * repeats its first URL for ever. Null: it has no position. Undefined: it did not say.
   */
  readonly resumeFrom?: Position | null | undefined;
  /** What the transport puts around the events of a subscription, to count them. */
  readonly onFollow?: ((events: PolledEvents) => PolledEvents) | undefined;
  /** Told the position of every event before it is sent. */
  readonly onPosition?: ((position: Position) => void) | undefined;
}
