// What happens now: rooms, queues, alerts and the last events. The same on the operator page and in a conversation.

import { Component, type ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Lasting, when } from "./clock";
import type { Alert, Buttons, LineEvent, Live, Queue } from "./model";
import { count, Icon, Sentence, Theirs } from "./parts";
import { type Looks, RoomPart, Toolbar } from "./rooms";

const LONG_WAIT = 180; // seconds
const ALERTS_SHOWN = 5; // at first: below them are the conferences
const STORED = "switchboard-layout";

interface NowProps {
  live: Live;
  buttons: Buttons;
  /** Above the rooms: what waits for an answer. */
  children?: ComponentChildren;
  /** What waits for an answer about one room. */
  aboutRoom?: (room: string) => ComponentChildren;
}

export function Now({ live, buttons, children, aboutRoom }: NowProps) {
  const [looks, setLooks] = useState<Looks>({ layout: storedLayout(), filter: "", sorting: "joined" });
  const change = (next: Looks) => {
    storeLayout(next.layout);
    setLooks(next);
  };
  const people = live.rooms.reduce((sum, room) => sum + room.people.length, 0);
  return (
    <>
      {children}
      <Alerts alerts={live.alerts ?? []} more={live.more_alerts ?? 0} trouble={live.alert_trouble ?? ""} />
      <div class="columns">
        <div class="rooms">
          {people > 1 && <Toolbar looks={looks} change={change} />}
          {live.rooms.map((room) => (
            <RoomPart key={room.id} room={room} buttons={buttons} looks={looks}>
              {aboutRoom?.(room.id)}
            </RoomPart>
          ))}
          {!live.rooms.length && <Empty />}
          {live.more_rooms && <p class="more">And {count(live.more_rooms, "conference")} more.</p>}
        </div>
        <aside class="side" aria-label="Queues and events">
          {live.queues.map((queue) => (
            <QueuePart key={queue.name} queue={queue} />
          ))}
          {!live.queues.length && (
            <section class="queue">
              <h2>Queues</h2>
              <p class="nobody">There is no queue.</p>
            </section>
          )}
          {live.more_queues && <p class="more">And {count(live.more_queues, "queue")} more.</p>}
          <Events events={live.events} />
        </aside>
      </div>
    </>
  );
}

/** How much is going on, in figures. */
export function Figures({ live }: { live: Live }) {
  const people = live.rooms.reduce((sum, room) => sum + room.present, 0);
  const waiting = live.queues.reduce((sum, queue) => sum + queue.size, 0);
  return (
    <p class="numbers">
      <span>{count(live.rooms.length + (live.more_rooms ?? 0), "conference")}</span>
      <span>{count(people, "person", "people")}</span>
      <span>{waiting} waiting</span>
    </p>
  );
}

// A frame of a host may have no storage.
function storedLayout(): Looks["layout"] {
  try {
    const layout = localStorage.getItem(STORED);
    return layout === "cards" || layout === "list" ? layout : "auto";
  } catch {
    return "auto";
  }
}

function storeLayout(layout: string): void {
  try {
    localStorage.setItem(STORED, layout);
  } catch {
    // it holds until the page closes
  }
}

function Alerts({ alerts, more, trouble }: { alerts: Alert[]; more: number; trouble: string }) {
  const [areAllShown, showAll] = useState(false);
  if (!alerts.length && !trouble) return null;
  const shown = areAllShown ? alerts : alerts.slice(0, ALERTS_SHOWN);
  return (
    <section class="alerts" aria-labelledby="alerts-title">
      <h2 id="alerts-title">
        <Icon name="warn" /> Alerts
        {alerts.length > ALERTS_SHOWN && <span class="number">{alerts.length + more}</span>}
      </h2>
      <ul role="list">
        {shown.map((alert) => (
          <li key={alert.id}>
            <Sentence text={alert.text} />
            <span class="facts">
              <span>
                <Lasting moment={alert.since} /> so far
              </span>
            </span>
          </li>
        ))}
      </ul>
      {areAllShown && more > 0 && <p>And {more} more.</p>}
      {alerts.length > ALERTS_SHOWN && (
        <button type="button" aria-expanded={areAllShown} onClick={() => showAll(!areAllShown)}>
          {areAllShown ? "Show fewer alerts" : "Show all alerts"}
        </button>
      )}
      {trouble && <p>{trouble}</p>}
    </section>
  );
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
      <h2>No conference is open</h2>
      <p>A conference appears here as soon as it opens.</p>
    </section>
  );
}

/** A queue as the line in which people wait. */
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

class Events extends Component<{ events: LineEvent[] }> {
  override shouldComponentUpdate(next: { events: LineEvent[] }): boolean {
    return next.events !== this.props.events;
  }

  override render({ events }: { events: LineEvent[] }) {
    return (
      <section class="events" aria-labelledby="events-title">
        <h2 id="events-title">Last events</h2>
        {!events.length && <p class="nobody">Nothing has happened yet.</p>}
        <ol role="list">
          {events.map((event) => (
            <li key={event.id} data-kind={event.kind}>
              <time dateTime={event.at}>{when(event.at)}</time>
              <Sentence text={event.text} />
            </li>
          ))}
        </ol>
      </section>
    );
  }
}
