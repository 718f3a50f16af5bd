// The page as a whole.

import { Component } from "preact";
import { Lasting, setAhead, when } from "./clock";
import { HostSource } from "./host";
import { type Board, type Happened, kept, type Outcome, type Queue, type Shown, type Source } from "./model";
import { CardPart, Notices } from "./notices";
import { count, Icon, Theirs } from "./parts";
import { type Doing, RoomPart } from "./rooms";

const LONG_WAIT = 180; // seconds
const SAID_FOR = 12_000;

interface State extends Shown {
  said?: Outcome;
}

export class App extends Component<{ source: Source }, State> {
  override state: State = { trouble: "", ahead: 0 };
  private waiting: Partial<Shown> | undefined;
  private unsay = 0;
  private doing: Doing = { act: (tool, given) => this.act(tool, given), can: () => false };
  private actions = "";

  override componentDidMount(): void {
    this.props.source.start((change) => this.take(change));
  }

  /** What is told goes on the screen with its next picture: however often it is told, it is drawn once for each. */
  private take(change: Partial<Shown>): void {
    if (!this.waiting) {
      const draw = () => {
        const { board, ...rest } = this.waiting!;
        this.waiting = undefined;
        if (rest.ahead !== undefined) setAhead(rest.ahead);
        if (board) this.allow(board);
        this.setState((state) => ({ ...rest, ...(board && { board: kept(state.board, board) }) }));
      };
      if (document.visibilityState === "hidden") setTimeout(draw, 250);
      else requestAnimationFrame(draw);
    }
    this.waiting = { ...this.waiting, ...change };
  }

  private allow(board: Board): void {
    const actions = board.actions.join();
    if (actions === this.actions) return;
    this.actions = actions;
    this.doing = { ...this.doing, can: (tool) => board.actions.includes(tool) };
  }

  private say = (said: Outcome): void => {
    clearTimeout(this.unsay);
    this.setState({ said });
    this.unsay = setTimeout(() => this.setState({ said: undefined as never }), SAID_FOR);
  };

  private async act(tool: string, given: Record<string, unknown>): Promise<void> {
    const { text, ...said } = await this.props.source.act(tool, given);
    this.say({ ...said, text: said.failed ? text : "" }); // what was done is seen
  }

  override render({ source }: { source: Source }, { board, card, trouble, said }: State) {
    if (card) return <main class="alone"><CardPart card={card} source={source} /></main>;
    if (!board) return <main class="alone"><p class="quiet" role="status">{trouble || "Looking at the line …"}</p></main>;
    return (
      <main class="board">
        <Head board={board} source={source} trouble={trouble} />
        {board.stopped && (
          <p class="stopped">
            <Icon name="stop" /> All writes are stopped by <Theirs text={board.stopped} />
          </p>
        )}
        <div class="say" aria-live="polite">{said && <Said said={said} />}</div>
        <Notices
          approvals={board.approvals}
          others={board.others_waiting ?? 0}
          source={source}
          cards={board.cards ?? false}
          answered={(text) => this.say({ failed: false, text })}
        />
        <div class="columns">
          <div class="rooms">
            {board.rooms.map((room) => (
              <RoomPart key={room.id} room={room} doing={this.doing} />
            ))}
            {!board.rooms.length && <Empty />}
            {board.more_rooms && <p class="more">And {count(board.more_rooms, "conference")} more.</p>}
          </div>
          <aside class="side" aria-label="Queues and events">
            {board.queues.map((queue) => (
              <QueuePart key={queue.name} queue={queue} />
            ))}
            {!board.queues.length && (
              <section class="queue">
                <h2>Queues</h2>
                <p class="nobody">There is none.</p>
              </section>
            )}
            {board.more_queues && <p class="more">And {count(board.more_queues, "queue")} more.</p>}
            <Events events={board.events} />
          </aside>
        </div>
      </main>
    );
  }
}

function Head({ board, source, trouble }: { board: Board; source: Source; trouble: string }) {
  const people = board.rooms.reduce((sum, room) => sum + room.present, 0);
  const waiting = board.queues.reduce((sum, queue) => sum + queue.size, 0);
  return (
    <header class="head">
      <h1>Switchboard</h1>
      <p class="numbers">
        <span>{count(board.rooms.length + (board.more_rooms ?? 0), "conference")}</span>
        <span>{count(people, "person", "people")}</span>
        <span>{waiting} waiting</span>
      </p>
      <p class="live" role="status" data-live={trouble ? "no" : "yes"}>
        {trouble || "Live"}
      </p>
      {source instanceof HostSource && source.grows && (
        <button type="button" onClick={() => void source.grow()}>
          <Icon name="grow" /> Larger
        </button>
      )}
      {source.place === "browser" && <a href="/operator">Operator page</a>}
    </header>
  );
}

function Said({ said }: { said: Outcome }) {
  if (said.pending) {
    return <p class="notice">It needs a person's yes, and waits as <code>{said.pending}</code>. Then press it again.</p>;
  }
  return said.text ? <p class={said.failed ? "trouble" : "said"}>{said.text}</p> : null;
}

function Empty() {
  return (
    <section class="empty">
      <svg viewBox="0 0 240 64" aria-hidden="true" focusable="false">
        {[28, 72, 116, 160, 204].map((x, place) => (
          <g key={x}>
            <circle cx={x} cy="24" r="13" />
            <circle cx={x} cy="24" r="5" class={place === 2 ? "lit" : "hole"} />
            <path d={`M${x - 9} 52h18`} />
          </g>
        ))}
      </svg>
      <h2>Nobody is on the line</h2>
      <p>A conference appears here the moment somebody opens one.</p>
    </section>
  );
}

/** A queue as the line that people stand in. */
function QueuePart({ queue }: { queue: Queue }) {
  return (
    <section class="queue" aria-label={`Queue ${queue.name}`}>
      <header>
        <h2>
          <Theirs text={queue.name} />
        </h2>
        <p class="facts">{queue.most ? `${queue.size} of ${queue.most} waiting` : `${queue.size} waiting`}</p>
      </header>
      {queue.calls.length ? (
        <ol class="line" role="list">
          {queue.calls.map((call) => (
            <li key={call.leg} data-gone={call.gone ? "" : undefined}>
              <Theirs text={call.name} class="name" />
              {call.gone && <span class="badge">Hung up</span>}
              {call.since && <Lasting moment={call.since} long={LONG_WAIT} class="wait" />}
            </li>
          ))}
        </ol>
      ) : (
        <p class="nobody">Nobody waits.</p>
      )}
      {queue.size > queue.calls.length && <p class="more">And {queue.size - queue.calls.length} more.</p>}
    </section>
  );
}

class Events extends Component<{ events: Happened[] }> {
  override shouldComponentUpdate(next: { events: Happened[] }): boolean {
    return next.events !== this.props.events;
  }

  override render({ events }: { events: Happened[] }) {
    return (
      <section class="events" aria-labelledby="events-title">
        <h2 id="events-title">Last events</h2>
        {!events.length && <p class="nobody">Nothing has happened yet.</p>}
        <ol role="list">
          {events.map((event) => (
            <li key={event.id} data-kind={event.kind}>
              <time dateTime={event.at}>{when(event.at)}</time>
              <Theirs text={event.text} />
            </li>
          ))}
        </ol>
      </section>
    );
  }
}
