// The figures of some days: queues, agents, conferences and days.

import { useState } from "preact/hooks";
import { get, save, type Problem } from "./api";
import { spell, when } from "./clock";
import { DayFields, timesOf, today } from "./days";
import { useReload } from "./lists";
import { Theirs, Trouble } from "./parts";
import { Link } from "./route";

interface Row {
  name: string;
  id?: string;
  started_at?: string;
  calls: number;
  waits: number;
  wait_s: number;
  longest_wait_s: number;
  abandoned: number;
  talk_s: number;
  hold_s: number;
  recordings: number;
  approvals: number;
}

const KINDS = ["queues", "agents", "conferences", "days"] as const;
type Kind = (typeof KINDS)[number];

interface Found extends Record<Kind, Row[]> {
  /** The totals in a sentence. */
  summary: string;
  not_shown?: Partial<Record<Kind, number>>;
}

type Column = [string, (row: Row) => string | number];

const time = (seconds: number): string => (seconds ? spell(seconds * 1000) : "—");
const CALLS: Column = ["Calls", (row) => row.calls];
const TALK: Column = ["Talk", (row) => time(row.talk_s)];
const HOLD: Column = ["On hold", (row) => time(row.hold_s)];
const WAITS: Column[] = [
  ["Average wait", (row) => time(row.waits && row.wait_s / row.waits)],
  ["Longest wait", (row) => time(row.longest_wait_s)],
  ["Hung up waiting", (row) => row.abandoned],
];
const APPROVALS: Column = ["Approvals", (row) => row.approvals];
const TABLES: Record<Kind, [string, Column[]]> = {
  queues: ["Queues", [CALLS, ...WAITS]],
  agents: ["Agents that were called", [CALLS, TALK, HOLD]],
  conferences: [
    "Conferences",
    [
      ["Began", (row) => (row.started_at ? when(row.started_at) : "—")],
      ["People", (row) => row.calls],
      TALK,
      HOLD,
      ["Recordings", (row) => row.recordings],
      APPROVALS,
    ],
  ],
  days: ["Days, in UTC", [CALLS, ...WAITS, TALK, APPROVALS]],
};

export function Report() {
  const [days, setDays] = useState({ from: today(), to: "" });
  const [found, setFound] = useState<Found>();
  const [trouble, setTrouble] = useState("");
  const [note, setNote] = useState("");
  const run = async (doing: string, ask: () => Promise<unknown>) => {
    setNote(doing);
    setTrouble("");
    try {
      await ask();
    } catch (why) {
      setTrouble((why as Problem).message);
    }
    setNote("");
  };
  const load = () => run("Counting …", async () => setFound(await get<Found>("report", timesOf(days))));
  const csv = `report.csv?${new URLSearchParams(timesOf(days))}`;
  useReload(load, days, "", 0);
  return (
    <section aria-labelledby="title">
      <h1 id="title" tabIndex={-1}>
        Report
      </h1>
      <div class="toolbar" role="search">
        <DayFields days={days} onChange={setDays} />
        <button type="button" onClick={() => void load()}>
          Count again
        </button>
        <button type="button" onClick={() => void run("Saving …", () => save(csv, "report.csv"))}>
          Save as CSV
        </button>
      </div>
      <Trouble text={trouble} />
      <p class="hint" role="status">
        {note || found?.summary}
      </p>
      {found && KINDS.map((kind) => <Table key={kind} kind={kind} rows={found[kind]} more={found.not_shown?.[kind] ?? 0} />)}
    </section>
  );
}

function Table({ kind, rows, more }: { kind: Kind; rows: Row[]; more: number }) {
  const [title, columns] = TABLES[kind];
  if (!rows.length) return null;
  return (
    <>
      <h2 id={kind}>{title}</h2>
      <table class="table report" aria-labelledby={kind}>
        <thead>
          <tr>
            <th scope="col">Name</th>
            {columns.map(([label]) => (
              <th key={label} scope="col">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id ?? row.name}>
              <td data-label="Name">
                {row.id ? (
                  <Link to={`/history/${encodeURIComponent(row.id)}`}>
                    <Theirs text={row.name || `Conference ${row.id.slice(0, 8)}`} class="whole" />
                  </Link>
                ) : (
                  <Theirs text={row.name} class="whole" />
                )}
              </td>
              {columns.map(([label, value]) => (
                <td key={label} data-label={label}>
                  {value(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <p class="more">And {more} more, in the file.</p>}
    </>
  );
}
