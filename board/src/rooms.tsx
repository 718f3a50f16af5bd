// Conferences as rooms, people as cards.

import { Component } from "preact";
import { useRef } from "preact/hooks";
import { Lasting } from "./clock";
import type { Person, Room } from "./model";
import { count, Icon, Theirs, Unseen } from "./parts";

export type Act = (tool: string, given: Record<string, unknown>) => Promise<void>;
export interface Doing {
  act: Act;
  can: (tool: string) => boolean;
}

const ROLES = { monitor: "Listens in", whisper: "Whispers", barge: "Supervises" };

export function RoomPart({ room, doing }: { room: Room; doing: Doing }) {
  const everyone = { conference_id: room.id, call_control_ids: "everyone" };
  const muted = room.people.length > 0 && room.people.every((person) => person.muted);
  const held = room.people.length > 0 && room.people.every((person) => person.held);
  const id = `room-${room.id}`;
  return (
    <section class="room" aria-labelledby={id}>
      <header class="room-head">
        <h2 id={id}>
          <Theirs text={room.name} />
        </h2>
        <p class="facts">
          {room.since && <Lasting moment={room.since} />}
          <span>{count(room.present, "person", "people")}</span>
          {room.recording === "recording" && <span class="badge recording">Recording</span>}
          {room.recording === "paused" && <span class="badge">Recording paused</span>}
          {room.playing && <span class="badge audio">Audio plays</span>}
        </p>
        <div class="room-buttons">
          <Press tool={muted ? "unmute_participants" : "mute_participants"} given={everyone} doing={doing} icon="mic">
            {muted ? "Unmute all" : "Mute all"}
          </Press>
          <Press
            tool={held ? "unhold_participants" : "hold_participants"}
            given={everyone}
            doing={doing}
            icon={held ? "play" : "pause"}
          >
            {held ? "Resume all" : "Hold all"}
          </Press>
          {room.playing && (
            <Press tool="stop_audio" given={everyone} doing={doing} icon="sound">
              Stop audio
            </Press>
          )}
          {room.recording === "recording" && (
            <Press tool="pause_recording" given={{ conference_id: room.id }} doing={doing} icon="pause">
              Pause recording
            </Press>
          )}
        </div>
      </header>
      <People room={room} doing={doing} />
      {room.present > room.people.length && <p class="more">And {room.present - room.people.length} more.</p>}
    </section>
  );
}

const STEPS: Record<string, (at: number, columns: number, last: number) => number> = {
  ArrowRight: (at) => at + 1,
  ArrowLeft: (at) => at - 1,
  ArrowDown: (at, columns) => at + columns,
  ArrowUp: (at, columns) => at - columns,
  Home: () => 0,
  End: (_at, _columns, last) => last,
};

/** One Tab stop for all: arrow keys move from card to card, so that 250 people are no 500 presses of Tab. */
function People({ room, doing }: { room: Room; doing: Doing }) {
  const list = useRef<HTMLUListElement>(null);
  const active = useRef("");
  const enter = (card: HTMLElement) => {
    for (const button of list.current!.querySelectorAll<HTMLElement>("[data-leg] [tabindex='0']")) {
      if (!card.contains(button)) button.tabIndex = -1;
    }
    for (const button of card.querySelectorAll<HTMLElement>("button")) button.tabIndex = 0;
    active.current = card.dataset["leg"]!;
  };
  const focused = (event: FocusEvent) => {
    const card = (event.target as HTMLElement).closest<HTMLElement>("[data-leg]");
    if (card && card.dataset["leg"] !== active.current) enter(card);
  };
  const pressed = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    const card = (event.target as HTMLElement).closest<HTMLElement>("[data-leg]");
    if (!step || !card || event.altKey || event.ctrlKey || event.metaKey) return;
    const cards = [...list.current!.children] as HTMLElement[];
    const columns = cards.filter((other) => other.offsetTop === cards[0]!.offsetTop).length;
    const next = cards[step(cards.indexOf(card), columns, cards.length - 1)];
    event.preventDefault();
    if (!next) return;
    const place = [...card.querySelectorAll("button")].indexOf(event.target as HTMLButtonElement);
    enter(next);
    next.querySelectorAll<HTMLElement>("button")[Math.max(place, 0)]?.focus();
  };
  if (!room.people.length) return <p class="nobody">Nobody is in it.</p>;
  const known = room.people.some((person) => person.leg === active.current);
  return (
    <ul class="people" ref={list} onKeyDown={pressed} onFocusIn={focused} role="list">
      {room.people.map((person, place) => (
        <PersonCard
          key={person.leg}
          person={person}
          room={room.id}
          doing={doing}
          reached={known ? person.leg === active.current : place === 0}
        />
      ))}
    </ul>
  );
}

interface CardProps {
  person: Person;
  room: string;
  doing: Doing;
  reached: boolean;
}

/** Drawn again only when something about the person differs. */
class PersonCard extends Component<CardProps> {
  override shouldComponentUpdate(next: CardProps): boolean {
    return next.person !== this.props.person || next.doing !== this.props.doing || next.reached !== this.props.reached;
  }

  override render({ person, room, doing, reached }: CardProps) {
    const given = { conference_id: room, call_control_ids: [person.leg] };
    const index = reached ? 0 : -1;
    return (
      <li
        class="person"
        data-leg={person.leg}
        data-talking={person.talking ? "" : undefined}
        data-held={person.held ? "" : undefined}
      >
        <span class="face" aria-hidden="true">
          {initial(person.name)}
        </span>
        <div class="who">
          <Theirs text={person.name} class="name" />
          <p class="facts">
            {person.since ? <Lasting moment={person.since} /> : <span>before this</span>}
            {person.number && <Theirs text={person.number} class="number" />}
          </p>
        </div>
        <p class="states">
          {person.talking && <span class="badge talking">Talking</span>}
          {person.muted && <span class="badge muted">Muted</span>}
          {person.held && (
            <span class="badge held">
              On hold <Lasting moment={person.held} />
            </span>
          )}
          {person.role && <span class="badge role">{ROLES[person.role]}</span>}
        </p>
        <div class="person-buttons">
          <Press
            tool={person.muted ? "unmute_participants" : "mute_participants"}
            given={given}
            doing={doing}
            icon="mic"
            about={person.name}
            index={index}
          >
            {person.muted ? "Unmute" : "Mute"}
          </Press>
          <Press
            tool={person.held ? "unhold_participants" : "hold_participants"}
            given={given}
            doing={doing}
            icon={person.held ? "play" : "pause"}
            about={person.name}
            index={index}
          >
            {person.held ? "Resume" : "Hold"}
          </Press>
        </div>
      </li>
    );
  }
}

/** The first letter, or the last two digits of a number. */
function initial(name: string): string {
  const digits = name.replace(/\D/g, "");
  if (/^[+\d*(]/.test(name) && digits.length > 3) return digits.slice(-2);
  return [...name][0]?.toUpperCase() ?? "?";
}

interface PressProps {
  tool: string;
  given: Record<string, unknown>;
  doing: Doing;
  icon: "mic" | "pause" | "play" | "sound";
  about?: string;
  index?: number;
  children: string;
}

/** A button that calls a tool; while that lasts it waits, and keeps the focus. */
class Press extends Component<PressProps, { busy: boolean }> {
  override state = { busy: false };

  private press = async () => {
    if (this.state.busy) return;
    this.setState({ busy: true });
    await this.props.doing.act(this.props.tool, this.props.given);
    this.setState({ busy: false });
  };

  override render({ tool, doing, icon, about, index, children }: PressProps) {
    if (!doing.can(tool)) return null;
    return (
      <button type="button" aria-disabled={this.state.busy} onClick={this.press} tabIndex={index ?? 0}>
        <Icon name={icon} />
        {children}
        {about && <Unseen> {about}</Unseen>}
      </button>
    );
  }
}
