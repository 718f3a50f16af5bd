// Conferences as rooms, people as cards or as rows of a list.

import { Component, type ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { Lasting } from "./clock";
import type { Buttons, Person, Room } from "./model";
import { count, Icon, type IconName, Theirs, Unseen } from "./parts";

const ROLES = { monitor: "Listens in", whisper: "Whispers", barge: "Supervises" };
const MANY = 24; // people from which on a room is a list by itself
const MANY_ON_A_PHONE = 6; // there a card is as wide as the page
const isNarrow = matchMedia("(max-width: 640px)");

export type Sorting = "joined" | "name" | "state" | "hold";

/** How people are shown. */
export interface Looks {
  layout: "auto" | "cards" | "list";
  filter: string;
  sorting: Sorting;
}

const hasState = (person: Person): number =>
  person.talking ? 3 : person.held ? 2 : person.muted || person.role ? 1 : 0;
const ORDERS: Record<Exclude<Sorting, "joined">, (one: Person, other: Person) => number> = {
  name: (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }),
  state: (one, other) => hasState(other) - hasState(one),
  hold: (one, other) => (one.held ?? "~").localeCompare(other.held ?? "~"),
};

/** The people of a room that pass the filter, in order. */
function shownPeople(people: Person[], { filter, sorting }: Looks): Person[] {
  const wanted = filter.trim().toLowerCase();
  const found = wanted
    ? people.filter(({ name, number }) => `${name} ${number ?? ""}`.toLowerCase().includes(wanted))
    : people;
  return sorting === "joined" ? found : [...found].sort(ORDERS[sorting]);
}

export interface RoomProps {
  room: Room;
  buttons: Buttons;
  looks: Looks;
  /** What waits for an answer about this room. */
  children?: ComponentChildren;
}

export function RoomPart({ room, buttons, looks, children }: RoomProps) {
  const everyone = { conference_id: room.id, call_control_ids: "everyone" };
  const [muted, held] = [room.people.filter((one) => one.muted).length, room.people.filter((one) => one.held).length];
  const total = room.people.length;
  const id = `room-${room.id}`;
  const people = useMemo(
    () => shownPeople(room.people, looks),
    [room.people, looks.filter, looks.sorting],
  );
  return (
    <section class="room" aria-labelledby={id}>
      <header class="room-head">
        <h2 id={id}>
          <Theirs text={room.name} />
        </h2>
        <p class="facts">
          {room.since && <Lasting moment={room.since} />}
          <span>{count(room.present, "person", "people")}</span>
          {held > 0 && <span class="badge held">{held} on hold</span>}
          {room.recording === "recording" && <span class="badge recording">Recording</span>}
          {room.recording === "paused" && <span class="badge">Recording paused</span>}
          {room.playing && <span class="badge audio">Audio plays</span>}
        </p>
        <div class="room-buttons">
          <Press tool="mute_participants" args={everyone} buttons={buttons} icon="mute" off={muted === total}>
            Mute all
          </Press>
          <Press tool="unmute_participants" args={everyone} buttons={buttons} icon="mic" off={!muted}>
            Unmute all
          </Press>
          <Press tool="hold_participants" args={everyone} buttons={buttons} icon="pause" off={held === total}>
            Hold all
          </Press>
          <Press tool="unhold_participants" args={everyone} buttons={buttons} icon="play" off={!held}>
            Unhold all
          </Press>
          {room.playing && (
            <Press tool="stop_audio" args={everyone} buttons={buttons} icon="sound">
              Stop audio
            </Press>
          )}
          {room.recording === "recording" && (
            <Press tool="pause_recording" args={{ conference_id: room.id }} buttons={buttons} icon="pause">
              Pause recording
            </Press>
          )}
          {room.recording === "paused" && (
            <Press tool="resume_recording" args={{ conference_id: room.id }} buttons={buttons} icon="play">
              Resume recording
            </Press>
          )}
        </div>
      </header>
      {children}
      <People room={room} people={people} buttons={buttons} looks={looks} />
      {room.present > total && <p class="more">And {room.present - total} more.</p>}
    </section>
  );
}

/** Filter, order and layout, for all rooms. */
export function Toolbar({ looks, change }: { looks: Looks; change: (looks: Looks) => void }) {
  return (
    <div class="toolbar" role="group" aria-label="People">
      <label>
        <Unseen>Filter people by name or number</Unseen>
        <input
          type="search"
          placeholder="Filter people"
          value={looks.filter}
          onInput={(event) => change({ ...looks, filter: event.currentTarget.value })}
        />
      </label>
      <label>
        <Unseen>Sort people</Unseen>
        <select
          value={looks.sorting}
          onChange={(event) => change({ ...looks, sorting: event.currentTarget.value as Sorting })}
        >
          <option value="joined">First joined first</option>
          <option value="name">By name</option>
          <option value="state">Talking and on hold first</option>
          <option value="hold">Longest on hold first</option>
        </select>
      </label>
      <label>
        <Unseen>Show people as</Unseen>
        <select
          value={looks.layout}
          onChange={(event) => change({ ...looks, layout: event.currentTarget.value as Looks["layout"] })}
        >
          <option value="auto">Automatic layout</option>
          <option value="cards">Cards</option>
          <option value="list">List</option>
        </select>
      </label>
    </div>
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

interface PeopleProps {
  room: Room;
  people: Person[];
  buttons: Buttons;
  looks: Looks;
}

/** One Tab stop for all: arrow keys move from card to card, so that 250 people are no 500 presses of Tab. */
function People({ room, people, buttons, looks }: PeopleProps) {
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
  if (!people.length) return <p class="nobody">Nobody in it matches the filter.</p>;
  const known = people.some((person) => person.leg === active.current);
  const isList = looks.layout === "list" || (looks.layout === "auto" && room.people.length > (isNarrow.matches ? MANY_ON_A_PHONE : MANY));
  return (
    <ul class={isList ? "people list" : "people"} ref={list} onKeyDown={pressed} onFocusIn={focused} role="list">
      {people.map((person, place) => (
        <PersonCard
          key={person.leg}
          person={person}
          room={room.id}
          buttons={buttons}
          reached={known ? person.leg === active.current : place === 0}
        />
      ))}
    </ul>
  );
}

interface CardProps {
  person: Person;
  room: string;
  buttons: Buttons;
  reached: boolean;
}

/** Drawn again only when something about the person differs. */
class PersonCard extends Component<CardProps> {
  override shouldComponentUpdate(next: CardProps): boolean {
    return next.person !== this.props.person || next.buttons !== this.props.buttons || next.reached !== this.props.reached;
  }

  override render({ person, room, buttons, reached }: CardProps) {
    const args = { conference_id: room, call_control_ids: [person.leg] };
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
            args={args}
            buttons={buttons}
            icon={person.muted ? "mic" : "mute"}
            about={person.name}
            index={index}
          >
            {person.muted ? "Unmute" : "Mute"}
          </Press>
          <Press
            tool={person.held ? "unhold_participants" : "hold_participants"}
            args={args}
            buttons={buttons}
            icon={person.held ? "play" : "pause"}
            about={person.name}
            index={index}
          >
            {person.held ? "Unhold" : "Hold"}
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
  args: Record<string, unknown>;
  buttons: Buttons;
  icon: IconName;
  about?: string;
  index?: number;
  /** Whether a press would have no effect. */
  off?: boolean;
  children: string;
}

/** A button that calls a tool; while that lasts it waits, and keeps the focus. */
class Press extends Component<PressProps, { busy: boolean }> {
  override state = { busy: false };

  private press = async () => {
    if (this.state.busy || this.props.off) return;
    this.setState({ busy: true });
    await this.props.buttons.press(this.props.tool, this.props.args);
    this.setState({ busy: false });
  };

  override render({ tool, buttons, icon, about, index, off, children }: PressProps) {
    if (!buttons.can(tool)) return null;
    return (
      <button type="button" aria-disabled={this.state.busy || off} aria-busy={this.state.busy} onClick={this.press} tabIndex={index ?? 0}>
        <Icon name={icon} />
        <span class="label">{children}</span>
        {about && <Unseen> {about}</Unseen>}
      </button>
    );
  }
}
