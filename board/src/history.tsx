// Past conferences: a list to search, and one conference with its picture, its people and what was decided about it.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, post, request, save, type Problem } from "./api";
import { Moment, spell, when } from "./clock";
import { DayFields, timesOf } from "./days";
import { useList, useReload } from "./lists";
import type { Approval } from "./model";
import { count, Icon, Sentence, Theirs, Trouble, Unseen } from "./parts";
import { Link } from "./route";

interface Conference {
  id: string;
  name: string;
  status: "open" | "ended";
  started_at?: string;
  ended_at?: string;
  end_reason?: string;
  seconds?: number;
  peak_participants: number;
  talk_turns: number;
  who: string[];
}

interface Found {
  conferences: Conference[];
  next?: number;
}

interface Recording {
  recording_id: string;
  format?: string;
  channels?: string;
  started_at?: string;
  seconds?: number;
}

interface Detail extends Conference {
  people: {
    call_control_id: string;
    number?: string;
    label?: string;
    caller_name?: string;
    joined_at?: string;
    seconds?: number;
    hold_seconds?: number;
    talk_turns?: number;
    left_because?: string;
  }[];
  recordings: Recording[];
  /** Whether recordings can be downloaded here. */
  has_links: boolean;
  /** In order; without text where the server does not keep it. */
  transcript: { at: string; speaker: string; text?: string }[];
  approvals: Approval[];
}

const PAUSE_MS = 5000; // the server reads many events for one answer

const titleOf = (conference: Conference): string => conference.name || `Conference ${conference.id.slice(0, 8)}`;

/** `newest`: differs when a conference began or ended, or who is in it; empty while the server does not answer. */
export function History({ newest }: { newest: string }) {
  const [search, setSearch] = useState({ text: "", from: "", to: "" });
  const fetch = async (before?: number) => {
    const { conferences, next } = await get<Found>("conferences", { text: search.text, ...timesOf(search), before });
    return { rows: conferences, ...(next !== undefined && { next }) };
  };
  const { rows, next, trouble, loadOlder } = useList(fetch, (conference) => conference.id, search, newest, PAUSE_MS);
  return (
    <section aria-labelledby="title">
      <h1 id="title" tabIndex={-1}>
        History
      </h1>
      <form class="toolbar" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="field grow">
          Name or number
          <input type="search" value={search.text} onInput={(event) => setSearch({ ...search, text: event.currentTarget.value })} />
        </label>
        <DayFields days={search} onChange={(days) => setSearch({ ...search, ...days })} />
      </form>
      <Trouble text={trouble} />
      <p class="unseen" role="status">
        {rows ? `${count(rows.length, "conference")} found` : ""}
      </p>
      <ul class="history" role="list">
        {rows?.map((conference) => (
          <li key={conference.id}>
            <Link to={`/history/${encodeURIComponent(conference.id)}`} class="row">
              <Theirs text={titleOf(conference)} class="name" />
              <span class="facts">
                {conference.started_at && <Moment at={conference.started_at} />}
                <span>{conference.status === "open" ? "Open now" : spell((conference.seconds ?? 0) * 1000)}</span>
                <span>{count(conference.peak_participants, "person", "people")}</span>
              </span>
              <Theirs text={conference.who.join(", ")} class="who-was" />
            </Link>
          </li>
        ))}
      </ul>
      {rows && !rows.length && <p class="nobody">No conference was found.</p>}
      {next !== undefined && (
        <button type="button" onClick={loadOlder}>
          Search further back
        </button>
      )}
    </section>
  );
}

const REASONS: Record<string, string> = {
  all_left: "everyone had left",
  host_left: "the host left",
  time_exceeded: "its time was over",
  ended_via_api: "it was ended by the agent or another program",
};
const STATES: Record<string, string> = { pending: "waits for an answer", expired: "nobody answered in time", outdated: "outdated: the agent asked again" };

/** `newest`: differs when something has happened; empty while the server does not answer. */
export function ConferencePage({ id, newest }: { id: string; newest: string }) {
  const [detail, setDetail] = useState<Detail>();
  const [picture, setPicture] = useState("");
  const [trouble, setTrouble] = useState("");
  const [head, setHead] = useState("");
  const [isSaving, setSaving] = useState(false);
  const exportArchive = async () => {
    if (isSaving) return;
    setSaving(true);
    setTrouble("");
    try {
      const answer = await save(`conferences/${encodeURIComponent(id)}/archive`, `conference-${id.slice(0, 8)}.zip`);
      setHead(answer.headers.get("x-audit-head") ?? "");
    } catch (why) {
      setTrouble((why as Problem).message);
    }
    setSaving(false);
  };
  const load = async () => {
    const path = `conferences/${encodeURIComponent(id)}`;
    try {
      setDetail(await get<Detail>(path));
      const picture = await (await request(`${path}/timeline.svg`)).blob();
      setPicture(URL.createObjectURL(picture));
      setTrouble("");
    } catch (why) {
      setTrouble((why as Problem).message);
    }
  };
  useReload(load, id, detail?.status === "ended" ? "" : newest, PAUSE_MS);
  useEffect(() => () => URL.revokeObjectURL(picture), [picture]);
  return (
    <section aria-labelledby="title" class="conference">
      <p class="bar">
        <Link to="/history" class="button">
          <Icon name="back" /> History
        </Link>
        {detail && (
          <button type="button" aria-disabled={isSaving} aria-busy={isSaving} onClick={exportArchive}>
            {isSaving ? "Saving …" : "Export"}
          </button>
        )}
      </p>
      <h1 id="title" tabIndex={-1}>
        {detail ? <Theirs text={titleOf(detail)} /> : "Conference"}
      </h1>
      <Trouble text={trouble} />
      <p class="hint whole" role="status">
        {head && (
          <>
            The archive was saved. Keep this head of the audit in another place:{" "}
            <code>telnyx-conferencing verify FILE --head {head}</code> proves the archive with it.
          </>
        )}
      </p>
      {detail && (
        <>
          <p class="facts">
            {detail.started_at && <Moment at={detail.started_at} />}
            <span>{detail.status === "open" ? "Open now" : spell((detail.seconds ?? 0) * 1000)}</span>
            <span>{count(detail.peak_participants, "person", "people")} at most</span>
            <span>{count(detail.talk_turns, "talk turn")}</span>
            {detail.end_reason && <span>Ended: {REASONS[detail.end_reason] ?? detail.end_reason}</span>}
          </p>
          {picture && (
            <div class="picture" tabIndex={0} role="group" aria-label="Timeline picture">
              <img src={picture} alt={`Who was in ${titleOf(detail)}, and when. The table below has the same times.`} />
            </div>
          )}
          <h2>People</h2>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Who</th>
                <th scope="col">Joined</th>
                <th scope="col">Time in it</th>
                <th scope="col">On hold</th>
                <th scope="col">Talk turns</th>
              </tr>
            </thead>
            <tbody>
              {detail.people.map((person) => (
                <tr key={person.call_control_id}>
                  <td data-label="Who">
                    <Theirs text={person.label ?? person.number ?? person.caller_name ?? person.call_control_id} />
                  </td>
                  <td data-label="Joined">{person.joined_at ? when(person.joined_at) : "—"}</td>
                  <td data-label="Time in it">{person.seconds === undefined ? "—" : spell(person.seconds * 1000)}</td>
                  <td data-label="On hold">{person.hold_seconds ? spell(person.hold_seconds * 1000) : "—"}</td>
                  <td data-label="Talk turns">{person.talk_turns ?? 0}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <h2>Recordings</h2>
          {!detail.recordings.length && (
            <p class="nobody">{detail.status === "open" ? "No recording has been saved yet." : "No recording was saved."}</p>
          )}
          <ul role="list" class="lines">
            {detail.recordings.map((recording) => (
              <RecordingRow key={recording.recording_id} recording={recording} hasLinks={detail.has_links} />
            ))}
          </ul>
          {detail.transcript.length > 0 && (
            <>
              <h2>Transcript</h2>
              <ul role="list" class="lines">
                {detail.transcript.map((utterance, place) => (
                  <li key={place} class="facts">
                    <Moment at={utterance.at} />
                    <strong>
                      <Theirs text={utterance.speaker} />
                    </strong>
                    {utterance.text === undefined ? <span>(text not kept)</span> : <Theirs text={utterance.text} class="whole" />}
                  </li>
                ))}
              </ul>
            </>
          )}
          <h2>Approvals</h2>
          {!detail.approvals.length && <p class="nobody">Nobody was asked about this conference.</p>}
          <ul role="list" class="lines">
            {detail.approvals.map((approval) => (
              <li key={approval.code}>
                <Sentence text={approval.question} class="question" />
                <p class="facts">
                  <span class={`badge risk-${approval.risk}`}>{approval.risk}</span>
                  <span>{approval.answer ?? STATES[approval.state ?? ""] ?? approval.state}</span>
                  {approval.by && <span>by <Theirs text={approval.by} /></span>}
                  {(approval.decided_at ?? approval.asked_at) && <Moment at={(approval.decided_at ?? approval.asked_at)!} />}
                  {approval.reason && <span>“<Theirs text={approval.reason} />”</span>}
                </p>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** A recording. Its links are secret: they are fetched when a person asks for them, which the audit records. */
function RecordingRow({ recording, hasLinks }: { recording: Recording; hasLinks: boolean }) {
  const { recording_id: id, started_at, seconds, format, channels } = recording;
  const [links, setLinks] = useState<[string, string][]>();
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);
  const place = useRef<HTMLSpanElement>(null);
  useEffect(() => place.current!.querySelector("a")?.focus(), [links]); // the button that had the focus is gone
  const fetchLinks = async () => {
    if (busy) return;
    setBusy(true);
    try {
      setLinks(Object.entries((await post<{ links: Record<string, string> }>("recording-links", { id })).links));
      setTrouble("");
    } catch (why) {
      setTrouble((why as Problem).message);
    }
    setBusy(false);
  };
  return (
    <li>
      <p class="facts">
        <code>{id}</code>
        {started_at && <Moment at={started_at} />}
        {seconds !== undefined && <span>{spell(seconds * 1000)}</span>}
        <span>{[format, channels].filter(Boolean).join(", ")}</span>
        {hasLinks && !links && (
          <button type="button" aria-disabled={busy} onClick={fetchLinks}>
            Get the link<Unseen> of recording {id}</Unseen>
          </button>
        )}
        <span role="status" ref={place}>
          {links?.map(([kind, url]) => (
            <a key={kind} href={url} target="_blank" rel="noopener noreferrer">
              Download {kind}
            </a>
          ))}
          {links && (links.length ? " (for ten minutes)" : "Telnyx has no file of it.")}
        </span>
      </p>
      <Trouble text={trouble} />
    </li>
  );
}
